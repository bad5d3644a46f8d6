//! A picture's SVG as PDF, for papers. Text becomes outlines, so that no font is asked for and none is embedded.
//!
//! It reads what this room draws (lines, polygons, rectangles, circles, upright and turned text) and nothing else.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use ttf_parser::{Face, OutlineBuilder};

use crate::{Error, Result};

/// Noto Sans, see `assets/README.md`.
const FONT: &[u8] = include_bytes!("../../assets/noto-sans.ttf");
/// Points of a pixel: 96 of these and 72 of those are an inch.
const POINT: f64 = 0.75;
/// The distance of a circle's control points, as a part of its radius.
const ARC: f64 = 0.552_284_75;

/// The PDF of an SVG that this room drew: one page of the picture's size, without a background.
///
/// # Errors
/// When the text is no such SVG.
pub fn pdf(svg: &str) -> Result<Vec<u8>> {
    let failed = |why: &str| Error::format("the PDF of a picture", why);
    let face = Face::parse(FONT, 0).map_err(|e| failed(&e.to_string()))?;
    let mut page = PdfPage { face, content: String::new(), opacities: BTreeMap::new() };
    let mut size = None;
    let mut rest = svg;
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, after) = from.split_once('>').ok_or_else(|| failed("an element has no end"))?;
        rest = after;
        let element = Element { tag };
        match element.name() {
            "svg" => size = Some([element.number("width"), element.number("height")]),
            "text" => {
                let (text, _) = after.split_once('<').ok_or_else(|| failed("a text has no end"))?;
                page.text(&element, &unescaped(text.trim()));
            }
            "line" => {
                page.stroked(&element, &[["x1", "y1"], ["x2", "y2"]].map(|at| at.map(|n| element.number(n))))
            }
            "polyline" => page.stroked(&element, &element.points()),
            "polygon" => page.filled(&element, &element.points()),
            "rect" => page.rectangle(&element),
            "circle" => page.circle(&element),
            name if name.starts_with('/') => {}
            name => return Err(failed(&format!("<{name}> is not known"))),
        }
    }
    let size = size.ok_or_else(|| failed("it is no SVG"))?;
    Ok(page.finished(size))
}

/// The tag of an element, from its name to its end.
struct Element<'a> {
    tag: &'a str,
}

impl<'a> Element<'a> {
    fn name(&self) -> &'a str {
        self.tag
            .split([' ', '/', '\n'])
            .find(|part| !part.is_empty())
            .map_or("", |name| if self.tag.starts_with('/') { self.tag } else { name })
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        let (_, rest) = self.tag.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()
    }

    fn number(&self, name: &str) -> f64 {
        self.attribute(name).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    }

    fn points(&self) -> Vec<[f64; 2]> {
        let text = self.attribute("points").unwrap_or("");
        let pair = |point: &str| {
            let (x, y) = point.split_once(',')?;
            Some([x.parse().ok()?, y.parse().ok()?])
        };
        text.split_whitespace().filter_map(pair).collect()
    }

    /// A colour as PDF has it; nothing for `none`.
    fn colour(&self, name: &str) -> Option<String> {
        let digits = self.attribute(name)?.strip_prefix('#')?;
        let part = |i: usize| digits.get(2 * i..2 * i + 2).and_then(|part| u8::from_str_radix(part, 16).ok());
        let parts = [part(0)?, part(1)?, part(2)?].map(|part| format!("{:.3}", f64::from(part) / 255.0));
        Some(parts.join(" "))
    }
}

struct PdfPage<'a> {
    face: Face<'a>,
    content: String,
    /// The opacities in use, in thousandths.
    opacities: BTreeMap<u32, ()>,
}

impl PdfPage<'_> {
    /// Writes operators; a `String` takes all that is written.
    fn put(&mut self, text: std::fmt::Arguments) {
        let _ = self.content.write_fmt(text);
        self.content.push('\n');
    }

    fn opacity(&mut self, element: &Element) {
        let opacity = element.attribute("opacity").and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
        let thousandths = (1000.0 * opacity.clamp(0.0, 1.0)).round() as u32;
        self.opacities.insert(thousandths, ());
        self.put(format_args!("/O{thousandths} gs"));
    }

    fn path(&mut self, points: &[[f64; 2]]) {
        for (i, [x, y]) in points.iter().enumerate() {
            self.put(format_args!("{x} {y} {}", if i == 0 { "m" } else { "l" }));
        }
    }

    fn stroked(&mut self, element: &Element, points: &[[f64; 2]]) {
        let Some(colour) = element.colour("stroke").filter(|_| points.len() > 1) else { return };
        self.opacity(element);
        self.put(format_args!("{colour} RG {} w", element.number("stroke-width").max(0.1)));
        self.path(points);
        self.put(format_args!("S"));
    }

    fn filled(&mut self, element: &Element, points: &[[f64; 2]]) {
        let Some(colour) = element.colour("fill").filter(|_| !points.is_empty()) else { return };
        self.opacity(element);
        self.put(format_args!("{colour} rg"));
        self.path(points);
        self.put(format_args!("h f"));
    }

    fn rectangle(&mut self, element: &Element) {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| element.number(name));
        let corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
        self.filled(element, &corners);
        self.stroked(element, &[&corners[..], &corners[..1]].concat());
    }

    fn circle(&mut self, element: &Element) {
        let [x, y, r] = ["cx", "cy", "r"].map(|name| element.number(name));
        let (fill, stroke) = (element.colour("fill"), element.colour("stroke"));
        let Some((colour, paint)) =
            fill.map(|c| (c + " rg", "f")).or_else(|| stroke.map(|c| (c + " RG 1 w", "S")))
        else {
            return;
        };
        self.opacity(element);
        self.put(format_args!("{colour}\n{} {y} m", x + r));
        for (a, b) in [
            ((1.0, 0.0), (0.0, 1.0)),
            ((0.0, 1.0), (-1.0, 0.0)),
            ((-1.0, 0.0), (0.0, -1.0)),
            ((0.0, -1.0), (1.0, 0.0)),
        ] {
            let near =
                |(p, q): (f64, f64), (s, t): (f64, f64)| [x + r * (p + ARC * s), y + r * (q + ARC * t)];
            let ([x1, y1], [x2, y2]) = (near(a, b), near(b, a));
            self.put(format_args!("{x1} {y1} {x2} {y2} {} {} c", x + r * b.0, y + r * b.1));
        }
        self.put(format_args!("{paint}"));
    }

    fn text(&mut self, element: &Element, text: &str) {
        let Some(colour) = element.colour("fill") else { return };
        let scale = element.number("font-size") / f64::from(self.face.units_per_em());
        let unknown = self.face.glyph_index('?');
        let glyphs: Vec<_> = text.chars().filter_map(|c| self.face.glyph_index(c).or(unknown)).collect();
        let advance = |glyph| f64::from(self.face.glyph_hor_advance(glyph).unwrap_or(0));
        let width = scale * glyphs.iter().map(|&glyph| advance(glyph)).sum::<f64>();
        let begin = match element.attribute("text-anchor") {
            Some("middle") => -width / 2.0,
            Some("end") => -width,
            _ => 0.0,
        };
        // How far below the place the baseline is.
        let drop = match element.attribute("dy") {
            Some(dy) if dy.ends_with("em") => {
                element.number("font-size") * dy.trim_end_matches("em").parse().unwrap_or(0.0)
            }
            Some(dy) if dy.ends_with("ex") => {
                let height = f64::from(self.face.x_height().unwrap_or(0)) * scale;
                height * dy.trim_end_matches("ex").parse().unwrap_or(0.0)
            }
            _ => 0.0,
        };
        let turn = element
            .attribute("transform")
            .and_then(|turn| turn.strip_prefix("rotate(")?.split(',').next()?.parse::<f64>().ok());
        let (sin, cos) = turn.unwrap_or(0.0).to_radians().sin_cos();
        let [x, y] = ["x", "y"].map(|name| element.number(name));
        self.opacity(element);
        self.put(format_args!("q {colour} rg {cos:.6} {sin:.6} {:.6} {cos:.6} {x} {y} cm", -sin));
        // Letters stand upright where the ordinate goes down.
        self.put(format_args!("{scale:.8} 0 0 {:.8} {begin:.4} {drop:.4} cm", -scale));
        let mut outline = Outline { content: String::new(), left: 0.0, at: [0.0; 2] };
        for glyph in glyphs {
            self.face.outline_glyph(glyph, &mut outline);
            outline.left += f64::from(self.face.glyph_hor_advance(glyph).unwrap_or(0));
        }
        let content = outline.content;
        self.put(format_args!("{content}f Q"));
    }

    /// The file: catalogue, pages, page, content, and where each begins.
    fn finished(self, [width, height]: [f64; 2]) -> Vec<u8> {
        let states: String = self
            .opacities
            .keys()
            .map(|o| {
                let part = f64::from(*o) / 1000.0;
                format!("/O{o} << /ca {part} /CA {part} >> ")
            })
            .collect();
        let content = format!("{POINT} 0 0 -{POINT} 0 {} cm\n{}", POINT * height, self.content);
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_string(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".into(),
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Contents 4 0 R /Resources << /ExtGState << {states}>> >> >>",
                POINT * width,
                POINT * height
            ),
            format!("<< /Length {} >>\nstream\n{content}endstream", content.len()),
        ];
        let mut file = String::from("%PDF-1.4\n");
        let mut places = Vec::new();
        for (i, object) in objects.iter().enumerate() {
            places.push(file.len());
            file += &format!("{} 0 obj\n{object}\nendobj\n", i + 1);
        }
        let table = file.len();
        file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
        places.iter().for_each(|place| file += &format!("{place:010} 00000 n \n"));
        file +=
            &format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
        file.into_bytes()
    }
}

/// The outline of a line of letters, in the font's units.
struct Outline {
    content: String,
    left: f64,
    at: [f64; 2],
}

impl Outline {
    fn put(&mut self, points: &[[f64; 2]], operator: &str) {
        for [x, y] in points {
            let _ = write!(self.content, "{:.1} {:.1} ", x + self.left, y);
        }
        self.content += operator;
        self.content.push('\n');
        self.at = points.last().copied().unwrap_or(self.at);
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.put(&[[x, y].map(f64::from)], "m");
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.put(&[[x, y].map(f64::from)], "l");
    }

    /// PDF has cubic curves alone.
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (control, end) = ([x1, y1].map(f64::from), [x, y].map(f64::from));
        let toward = |from: [f64; 2]| [0, 1].map(|i| from[i] + 2.0 / 3.0 * (control[i] - from[i]));
        self.put(&[toward(self.at), toward(end), end], "c");
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.put(&[[x1, y1], [x2, y2], [x, y]].map(|point| point.map(f64::from)), "c");
    }

    fn close(&mut self) {
        self.content += "h\n";
    }
}

/// A text without the escapes of XML.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
