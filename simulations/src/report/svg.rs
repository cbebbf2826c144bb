//! Plots as SVG.

use std::fmt::Write as _;

/// Blue, orange, green, purple, red, grey: told apart by those who see no red or green, too.
const COLOURS: [&str; 6] = ["#2563a8", "#e08a1e", "#2f9e6e", "#7d5ba6", "#c0392b", "#a9b1ba"];
/// Most labels below a plot: more would lie over each other.
const LABELS_MAX: usize = 12;
/// Of a plot that takes all the page, and of one that takes half of it.
const WIDTH: f64 = 860.0;
const HALF: f64 = 430.0;
const HEIGHT: f64 = 260.0;
/// Room for labels at the left, the right, above and below.
const LEFT: f64 = 54.0;
const RIGHT: f64 = 12.0;
const ABOVE: f64 = 24.0;
const BELOW: f64 = 34.0;

/// Values over places that are as far apart as each other.
pub(super) struct Plot {
    pub(super) labels: Vec<String>,
    /// What the labels are.
    pub(super) across: &'static str,
    /// What the values are.
    pub(super) up: &'static str,
    pub(super) series: Vec<Series>,
    pub(super) has_dots: bool,
    /// Whether it takes half of the page.
    pub(super) is_half: bool,
}

impl Plot {
    fn width(&self) -> f64 {
        if self.is_half { HALF } else { WIDTH }
    }
}

/// A line, or bars.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) colour: usize,
    pub(super) values: Vec<f64>,
}

/// A stretch of a row.
pub(super) struct Block {
    pub(super) row: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) colour: usize,
    /// Shown to who points at it.
    pub(super) title: String,
}

/// A text that may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What colours mean.
pub(super) fn legend(meanings: &[(usize, &str)]) -> String {
    let swatch = |(colour, meaning): &(usize, &str)| {
        format!("<span style=\"color:{}\">&#9632;</span> {} ", COLOURS[*colour], escaped(meaning))
    };
    meanings.iter().map(swatch).collect()
}

/// A number that is easy to read and not below another.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

fn number(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.01 => format!("{v:.4}"),
        v if v < 0.1 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        v => format!("{v:.0}"),
    }
}

/// Axes, labels and names of series; where the values end above.
fn frame(plot: &Plot, place: impl Fn(usize) -> f64) -> (String, f64) {
    let all = plot.series.iter().flat_map(|series| &series.values);
    let most = round_up(all.copied().fold(0.0, f64::max));
    let mut text = format!("<svg viewBox=\"0 0 {} {HEIGHT}\" role=\"img\">", plot.width());
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        let y = HEIGHT - BELOW - (HEIGHT - ABOVE - BELOW) * f64::from(step) / 4.0;
        let _ = write!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e3e6ea\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            plot.width() - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            number(value)
        );
    }
    let every = plot.labels.len().div_ceil(if plot.is_half { LABELS_MAX / 2 } else { LABELS_MAX }).max(1);
    for (index, label) in plot.labels.iter().enumerate().step_by(every) {
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            place(index),
            HEIGHT - BELOW + 15.0,
            escaped(label)
        );
    }
    let _ = write!(
        text,
        "<text x=\"{LEFT}\" y=\"12\">{}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        plot.up,
        plot.width() - RIGHT,
        HEIGHT - 4.0,
        plot.across
    );
    let named = plot.series.iter().filter(|series| !series.name.is_empty());
    for (index, series) in named.enumerate() {
        let x = LEFT + 70.0 + 90.0 * index as f64;
        let _ = write!(
            text,
            "<rect x=\"{x}\" y=\"4\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"13\">{}</text>",
            COLOURS[series.colour],
            x + 14.0,
            series.name
        );
    }
    (text, most)
}

fn height_of(value: f64, most: f64) -> f64 {
    HEIGHT - BELOW - (HEIGHT - ABOVE - BELOW) * value / most
}

/// Lines over labels.
pub(super) fn lines(plot: &Plot) -> String {
    let span = (plot.labels.len().max(2) - 1) as f64;
    let place = |index: usize| LEFT + (plot.width() - LEFT - RIGHT - 10.0) * index as f64 / span + 5.0;
    let (mut text, most) = frame(plot, place);
    for series in &plot.series {
        let points: Vec<(f64, f64)> = series
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| (place(index), height_of(*value, most)))
            .collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let colour = COLOURS[series.colour];
        let _ = write!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for ((x, y), value) in points.iter().zip(&series.values).filter(|_| plot.has_dots) {
            let _ = write!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}: {}</title></circle>",
                series.name,
                number(*value)
            );
        }
    }
    text.push_str("</svg>");
    text
}

/// A bar for each label.
pub(super) fn bars(plot: &Plot) -> String {
    let wide = (plot.width() - LEFT - RIGHT) / plot.labels.len().max(1) as f64;
    let place = |index: usize| LEFT + wide * (index as f64 + 0.5);
    let (mut text, most) = frame(plot, place);
    for series in &plot.series {
        for (index, value) in series.values.iter().enumerate() {
            let y = height_of(*value, most);
            let _ = write!(
                text,
                "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"><title>{} {}: {value}</title></rect>",
                place(index) - wide * 0.45,
                wide * 0.9,
                HEIGHT - BELOW - y,
                COLOURS[series.colour],
                escaped(&plot.labels[index]),
                plot.across
            );
        }
    }
    text.push_str("</svg>");
    text
}

/// Rows of blocks over seconds; those of one row that overlap lie above each other.
pub(super) fn blocks(rows: &[String], blocks: &[Block], until: f64, row_height: f64) -> String {
    let left = 100.0;
    let height = row_height * rows.len() as f64 + 22.0;
    let across = (WIDTH - left - RIGHT) / until.max(1e-9);
    let mut text = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">");
    for step in 0..=4 {
        let at = until * f64::from(step) / 4.0;
        let x = left + at * across;
        let anchor = if step == 4 { "end" } else { "middle" };
        let _ = write!(
            text,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{:.1}\" stroke=\"#e3e6ea\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{} s</text>",
            height - 20.0,
            height - 6.0,
            number(at)
        );
    }
    for (row, name) in rows.iter().enumerate() {
        let (y, size) = (row_height * (row as f64 + 0.5) + 3.5, row_height.min(11.0));
        let _ = write!(
            text,
            "<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\" style=\"font-size:{size:.0}px\">{}</text>",
            left - 6.0,
            escaped(name)
        );
    }
    for (block, (lane, lanes)) in blocks.iter().zip(lanes(blocks, rows.len())) {
        let each = (row_height - 1.0) / lanes as f64;
        let y = row_height * block.row as f64 + each * lane as f64;
        let _ = write!(
            text,
            "<rect x=\"{:.1}\" y=\"{y:.2}\" width=\"{:.1}\" height=\"{:.2}\" fill=\"{}\"><title>{}</title></rect>",
            left + block.from * across,
            ((block.to - block.from) * across).max(0.5),
            (each * 0.92).max(0.3),
            COLOURS[block.colour],
            escaped(&block.title)
        );
    }
    text.push_str("</svg>");
    text
}

/// For each block, which lane of its row it lies in, and how many lanes its row has.
fn lanes(blocks: &[Block], rows: usize) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|one, other| blocks[*one].from.total_cmp(&blocks[*other].from));
    // When each lane of each row is free again.
    let mut free: Vec<Vec<f64>> = vec![Vec::new(); rows];
    let mut lane_of = vec![0; blocks.len()];
    for index in order {
        let Block { row, from, to, .. } = blocks[index];
        let lanes = &mut free[row];
        let lane = lanes.iter().position(|free| *free <= from).unwrap_or_else(|| {
            lanes.push(0.0);
            lanes.len() - 1
        });
        lanes[lane] = to;
        lane_of[index] = lane;
    }
    blocks.iter().zip(lane_of).map(|(block, lane)| (lane, free[block.row].len().max(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_overlap_get_lanes_of_their_own() {
        let block = |from, to| Block { row: 0, from, to, colour: 0, title: String::new() };
        assert_eq!(lanes(&[block(0.0, 2.0), block(1.0, 3.0), block(2.0, 4.0)], 1), [(0, 2), (1, 2), (0, 2)]);
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, up) in [(0.0, 1.0), (0.93, 1.0), (1.2, 1.5), (212.0, 300.0), (1_000.0, 1_000.0)] {
            assert!((round_up(value) - up).abs() < 1e-9, "{value}");
        }
    }
}
