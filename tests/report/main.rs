//! Reports of runs made by hand: their tables by value, merging, and the page in a browser.

mod browser;
mod fixture;
mod merging;
mod tables;
