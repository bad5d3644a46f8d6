//! A packet in the plane.

use super::axis::Range;
use super::canvas::{BLACK, Canvas, Colour, LINE, PointMark, WHITE};
use super::map::scale_bar;
use crate::Result;

/// `ψ²` over a rectangle, with the decision boundary and the data on it.
#[derive(Clone, Copy, Debug)]
pub struct PlanePacket<'a> {
    /// What is shown, in ASCII.
    pub title: &'a str,
    /// The ends of the first and of the second coordinate.
    pub sides: [[f64; 2]; 2],
    /// `ψ²` at the middles of a grid of `GRID`×`GRID` cells, row by row from the lowest second
    /// coordinate, in 1/(input unit)².
    pub density: &'a [f64],
    /// A margin there, whose sign changes at the decision boundary.
    pub margin: &'a [f64],
    /// Points to mark, of one kind or the other, 0 or 1.
    pub points: &'a [([f64; 2], usize)],
    /// What the two kinds are called, in ASCII.
    pub kinds: [&'a str; 2],
}

/// Pixels of a cell's side.
const ZOOM: i64 = 2;
const LEFT: i64 = 64;
const TOP: i64 = 60;
const MARKS: [(PointMark, Colour); 2] =
    [(PointMark::Disc, [86, 180, 233]), (PointMark::Square, [230, 159, 0])];

impl PlanePacket<'_> {
    /// Cells of the grid in each direction.
    pub const GRID: usize = 240;

    /// The middles of the grid's cells, n×2, in the order of [`density`](Self::density).
    pub fn grid(sides: [[f64; 2]; 2]) -> Vec<[f64; 2]> {
        let n = Self::GRID;
        let middle = |[low, high]: [f64; 2], i: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
        (0..n * n).map(|place| [middle(sides[0], place % n), middle(sides[1], place / n)]).collect()
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let n = Self::GRID;
        let size = n as i64 * ZOOM;
        let range = Range::of(self.density, false);
        let ticks = range.ticks(6);
        let labels = ticks.iter().map(|(_, text)| Canvas::width_of(text)).max().unwrap_or(0);
        let bar = LEFT + size + 24;
        let unit = "psi^2 [1/(input unit)^2]";
        let width = (bar + 24 + labels).max(LEFT + size + 24) + 16;
        let mut canvas = Canvas::new(width.max(LEFT + Canvas::width_of(self.title) + 16), TOP + size + 88);
        canvas.text(LEFT, 8, self.title);
        canvas.text(width - 16 - Canvas::width_of(unit), TOP - LINE - 12, unit);
        canvas.text(8, TOP - LINE - 12, "x2 [input unit]");

        let row_of = |row: usize| TOP + size - (row as i64 + 1) * ZOOM;
        for (place, &value) in self.density.iter().enumerate() {
            canvas.fill(LEFT + (place % n) as i64 * ZOOM, row_of(place / n), ZOOM, ZOOM, range.colour(value));
        }
        self.boundary(|row, column| {
            canvas.fill(LEFT + column as i64 * ZOOM, row_of(row), ZOOM, ZOOM, WHITE);
        });
        let place = |[x, y]: [f64; 2]| {
            let part = |v: f64, [low, high]: [f64; 2]| (v - low) / (high - low) * size as f64;
            (
                LEFT + part(x, self.sides[0]).floor() as i64,
                TOP + size - 1 - part(y, self.sides[1]).floor() as i64,
            )
        };
        for &(point, kind) in self.points {
            let (x, y) = place(point);
            if (LEFT..LEFT + size).contains(&x) && (TOP..TOP + size).contains(&y) {
                let (mark, colour) = MARKS[kind.min(1)];
                canvas.mark(x, y, mark, colour);
            }
        }
        canvas.frame(LEFT, TOP, size, size);
        for (value, text) in Range::tight(&self.sides[0]).ticks(5) {
            let (x, _) = place([value, self.sides[1][0]]);
            canvas.fill(x, TOP + size, 1, 5, BLACK);
            canvas.text(x - Canvas::width_of(&text) / 2, TOP + size + 6, &text);
        }
        for (value, text) in Range::tight(&self.sides[1]).ticks(5) {
            let (_, y) = place([self.sides[0][0], value]);
            canvas.fill(LEFT - 5, y, 5, 1, BLACK);
            canvas.text(LEFT - 8 - Canvas::width_of(&text), y - LINE / 2, &text);
        }
        let name = "x1 [input unit]";
        canvas.text(LEFT + (size - Canvas::width_of(name)) / 2, TOP + size + 26, name);
        scale_bar(&mut canvas, bar, TOP, size, &range, &ticks);
        self.legend(&mut canvas, TOP + size + 56);
        canvas.png()
    }

    /// Hears of every cell that the decision boundary runs through.
    fn boundary(&self, mut cell: impl FnMut(usize, usize)) {
        let n = Self::GRID;
        let side = |row: usize, column: usize| self.margin.get(row * n + column).is_some_and(|m| *m > 0.0);
        for row in 0..n - 1 {
            for column in 0..n - 1 {
                let here = side(row, column);
                if here != side(row + 1, column) || here != side(row, column + 1) {
                    cell(row, column);
                }
            }
        }
    }

    fn legend(&self, canvas: &mut Canvas, y: i64) {
        let mut x = LEFT + 4;
        for (name, (mark, colour)) in self.kinds.into_iter().zip(MARKS) {
            canvas.mark(x, y + LINE / 2, mark, colour);
            canvas.text(x + 10, y, name);
            x += 10 + Canvas::width_of(name) + 28;
        }
        // The boundary is white in the picture, so its sample needs a ground.
        canvas.fill(x, y + 2, 24, 12, [68, 1, 84]);
        canvas.fill(x, y + 7, 24, 2, WHITE);
        canvas.text(x + 32, y, "decision boundary");
    }
}
