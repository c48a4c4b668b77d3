//! The experiment file, its stages, the stage store, running.
