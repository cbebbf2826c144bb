//! Charts as SVG, drawn without any script, in colours that the page's style sheet gives.

use std::fmt::Write;

use super::escaped;
use crate::load::unit::Unit;

/// Width of a chart, in pixels.
const WIDTH: f64 = 460.0;
/// Height of a chart, in pixels.
const HEIGHT: f64 = 190.0;
/// What is left of what is drawn, for the values, in pixels.
const LEFT: f64 = 72.0;
/// What is right of it, in pixels.
const RIGHT: f64 = 14.0;
/// What is above it, in pixels.
const ABOVE: f64 = 8.0;
/// What is below it, in pixels.
const BELOW: f64 = 24.0;
/// About how many lines are drawn across.
const TICKS: f64 = 4.0;

/// A line of a chart.
pub(super) struct Line<'a> {
    /// What it shows.
    pub(super) name: &'a str,
    /// Its points; where there is no value the line is broken.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A chart.
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// The unit to the right.
    pub(super) across: Unit,
    /// The unit upwards.
    pub(super) upwards: Unit,
    /// Its lines, four at most.
    pub(super) lines: Vec<Line<'a>>,
    /// A value upwards that is marked.
    pub(super) limit: Option<f64>,
    /// Whether points are drawn as dots and not joined.
    pub(super) dots: bool,
}

impl Chart<'_> {
    /// The chart with its title and legend; nothing if there is nothing to be seen.
    pub(super) fn draw(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let Some(top) = points().filter_map(|point| point.1).reduce(f64::max) else { return String::new() };
        let end = points().map(|point| point.0).reduce(f64::max).filter(|end| *end > 0.0).unwrap_or(1.0);
        let top = self.limit.map_or(top, |limit| top.max(limit.min(2.0 * top)));
        let step = step(if top > 0.0 { top } else { 1.0 });
        let frame = Frame { end, top: (top / step).ceil().max(1.0) * step };
        let mut svg = String::new();
        let title = escaped(self.title);
        put(&mut svg, format_args!("<figure><figcaption>{title}{}</figcaption>", self.legend()));
        put(&mut svg, format_args!("<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{title}'>"));
        self.grid(&frame, step, &mut svg);
        if let Some(limit) = self.limit.filter(|limit| *limit <= frame.top) {
            let y = frame.y(limit);
            put(&mut svg, format_args!("<path class='limit' d='M{LEFT} {y:.1}H{:.1}'/>", WIDTH - RIGHT));
        }
        for (index, line) in self.lines.iter().enumerate() {
            if self.dots { dots(line, index, &frame, &mut svg) } else { path(line, index, &frame, &mut svg) }
        }
        svg.push_str("</svg></figure>\n");
        svg
    }

    fn legend(&self) -> String {
        if self.lines.len() < 2 && self.limit.is_none() {
            return String::new();
        }
        let named = self.lines.iter().enumerate();
        let mut legend: String =
            named.map(|(index, line)| format!(" <i class='l{index}'></i>{}", escaped(line.name))).collect();
        if let Some(limit) = self.limit {
            put(&mut legend, format_args!(" <i class='lx'></i>limit, {}", self.upwards.show(limit)));
        }
        format!("<span>{legend}</span>")
    }

    /// Lines across with their values, and values below.
    fn grid(&self, frame: &Frame, up: f64, svg: &mut String) {
        for index in 0..=(frame.top / up).round() as usize {
            let value = index as f64 * up;
            let y = frame.y(value);
            put(svg, format_args!("<path class='grid' d='M{LEFT} {y:.1}H{:.1}'/>", WIDTH - RIGHT));
            // Round values need no digits after the point.
            let text = escaped(&self.upwards.show(value)).replace(".00", "");
            put(
                svg,
                format_args!(
                    "<text x='{:.1}' y='{:.1}' text-anchor='end'>{text}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
        }
        let right = step(frame.end);
        for index in 0..=(frame.end / right) as usize {
            let value = index as f64 * right;
            let text = escaped(&self.across.show(value));
            let (x, y) = (frame.x(value), HEIGHT - 6.0);
            put(svg, format_args!("<text x='{x:.1}' y='{y:.1}' text-anchor='middle'>{text}</text>"));
        }
    }
}

/// What is drawn where.
struct Frame {
    /// The value at the right edge.
    end: f64,
    /// The value at the top.
    top: f64,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + value / self.end * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        ABOVE + (1.0 - value.min(self.top) / self.top) * (HEIGHT - ABOVE - BELOW)
    }
}

/// The distance of values that a person would choose, for about [`TICKS`] of them up to `top`.
fn step(top: f64) -> f64 {
    let rough = top / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

fn path(line: &Line<'_>, index: usize, frame: &Frame, svg: &mut String) {
    let mut drawn = String::new();
    let mut is_drawing = false;
    for (at, value) in &line.points {
        if let Some(value) = value {
            let (command, x, y) = (if is_drawing { 'L' } else { 'M' }, frame.x(*at), frame.y(*value));
            put(&mut drawn, format_args!("{command}{x:.1} {y:.1}"));
            if !is_drawing {
                // A single point between two gaps would not be seen.
                drawn.push_str("h.1");
            }
        }
        is_drawing = value.is_some();
    }
    put(svg, format_args!("<path class='l{index}' d='{drawn}'/>"));
}

fn dots(line: &Line<'_>, index: usize, frame: &Frame, svg: &mut String) {
    for (at, value) in line.points.iter().filter_map(|(at, value)| Some((*at, (*value)?))) {
        let (x, y) = (frame.x(at), frame.y(value));
        put(svg, format_args!("<circle class='l{index}' cx='{x:.1}' cy='{y:.1}' r='4'/>"));
    }
}

/// Adds to a text.
fn put(text: &mut String, added: std::fmt::Arguments<'_>) {
    text.write_fmt(added).expect("a String takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart<'static> {
        let lines = vec![Line { name: "a<b", points }];
        Chart {
            title: "x & y",
            across: Unit::Seconds,
            upwards: Unit::PerSecond,
            lines,
            limit: Some(3.0),
            dots: false,
        }
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let svg = chart(vec![(0.0, Some(1.0)), (5.0, None), (10.0, Some(4.0))]).draw();
        assert_eq!(svg.matches("<path class='l0' d='M").count(), 1);
        assert!(svg.contains("x &amp; y") && svg.contains("a&lt;b") && svg.contains("limit, 3/s"), "{svg}");
        let drawn = svg.split("<path class='l0' d='").nth(1).and_then(|rest| rest.split('\'').next());
        assert_eq!(drawn.map(|drawn| drawn.matches('M').count()), Some(2));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(chart(vec![]).draw(), "");
        assert_eq!(chart(vec![(1.0, None)]).draw(), "");
        assert!(chart(vec![(0.0, Some(0.0))]).draw().contains("<svg"));
    }

    #[test]
    fn values_at_the_side_are_round() {
        for (top, expected) in [(1.0, 0.5), (4.0, 1.0), (7.3, 2.0), (95.0, 50.0), (0.03, 0.01)] {
            assert!((step(top) - expected).abs() < 1e-12, "{top}: {}", step(top));
        }
    }
}
