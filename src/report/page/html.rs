//! The page's text. What comes from outside, names of models above all, is escaped by the macro.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use crate::report::figures::{Figure, Topic};
use crate::report::runs::Record;
use crate::report::tables::Table;

const STYLE: &str = include_str!("style.css");

/// Tables longer than this are folded until they are asked for.
const FOLDED: usize = 40;

/// The whole page.
pub fn html(record: &Record, tables: &[Table], figures: &[Figure]) -> String {
    let name = &record.experiment.name;
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // An icon of its own, so that no browser asks for one.
                link rel="icon" href="data:,";
                title { (name) " – longqa" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (name) }
                    @if !record.experiment.description.is_empty() { p.question { (record.experiment.description) } }
                    (facts(record))
                }
                nav aria-label="Contents" {
                    ul {
                        @for (topic, _) in by_topic(figures) {
                            li { a href=(format!("#{}", topic.anchor())) { (topic.title()) } }
                        }
                        @for table in tables {
                            li { a href=(format!("#table-{}", table.name)) { (table.title) } }
                        }
                    }
                }
                main {
                    @if !figures.is_empty() {
                        section #figures aria-labelledby="figures-title" {
                            h2 #figures-title { "Figures" }
                            @for (topic, figures) in by_topic(figures) {
                                section id=(topic.anchor()) {
                                    h3 { (topic.title()) }
                                    div.figures { @for figure in figures { (drawn(figure)) } }
                                }
                            }
                        }
                    }
                    section #tables aria-labelledby="tables-title" {
                        h2 #tables-title { "Tables" }
                        @for table in tables { (tabled(table)) }
                    }
                }
                footer {
                    p {
                        "Made by longqa " (env!("CARGO_PKG_VERSION")) ". The tables as CSV, Markdown and LaTeX lie in "
                        code { "tables/" } ", the figures as SVG and PNG in " code { "figures/" } "."
                    }
                }
            }
        }
    };
    page.into_string()
}

/// When, where, with which seeds.
fn facts(record: &Record) -> Markup {
    let list = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(", ");
    let stages = || record.stages.iter();
    let devices = list(stages().map(|stage| stage.device.clone()).collect());
    let machines = list(stages().filter_map(|stage| stage.host.clone()).collect());
    let revisions = stages().filter_map(|stage| stage.revision.as_ref());
    let revisions = list(revisions.map(|revision| revision.chars().take(12).collect()).collect());
    let seeds: BTreeSet<u64> = record.runs.iter().map(|run| run.cell.seed.0).collect();
    let seeds = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let finished = record.runs.iter().filter(|run| run.scores.is_some()).count();
    let day = record.experiment.written.split('T').next().unwrap_or_default();
    let facts = [
        ("Date", day.to_owned()),
        ("Devices", devices),
        ("Machines", machines),
        ("Revisions", revisions),
        ("Seeds", seeds),
        ("Runs", format!("{finished} of {} finished", record.runs.len())),
    ];
    markup! {
        dl {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// The figures of each topic that has any.
fn by_topic(figures: &[Figure]) -> Vec<(Topic, Vec<&Figure>)> {
    let of =
        |topic: Topic| (topic, figures.iter().filter(|figure| figure.topic == topic).collect::<Vec<_>>());
    Topic::ALL.map(of).into_iter().filter(|(_, figures)| !figures.is_empty()).collect()
}

fn drawn(figure: &Figure) -> Markup {
    markup! {
        figure.wide[figure.is_wide()] id=(format!("figure-{}", figure.name)) {
            div.scroll tabindex="0" role="region" aria-label=(figure.title) {
                div.drawing style=(format!("min-width:{:.0}px", figure.least_width())) { (figure.svg()) }
            }
            figcaption { strong { (figure.title) ". " } (figure.caption) }
        }
    }
}

fn tabled(table: &Table) -> Markup {
    let people = table.for_people();
    let id = format!("table-{}", table.name);
    let grid = markup! {
        div.scroll tabindex="0" role="region" aria-label=(people.title) {
            table {
                caption { (people.title) }
                thead {
                    tr {
                        @for column in &people.columns {
                            th.number[column.kind.is_number()] scope="col" { (column.heading) }
                        }
                    }
                }
                tbody {
                    @for row in people.written() {
                        tr {
                            @for (column, cell) in people.columns.iter().zip(row) {
                                td.number[column.kind.is_number()] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    };
    markup! {
        section id=(id) {
            h3 { (people.title) }
            @if people.rows.len() > FOLDED {
                details { summary { (people.rows.len()) " rows" } (grid) }
            } @else {
                (grid)
            }
            @if !people.note.is_empty() { p.note { (people.note) } }
        }
    }
}
