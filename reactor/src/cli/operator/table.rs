//! Lays out rows in columns, for the width of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: &str = "  ";
/// The least that a column is cut to.
const LEAST: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    /// Left, and cut where the lines would be too long.
    Cut,
}

/// Lays out `rows`, each with as many cells as there are `columns`, under their titles. No line is
/// wider than `width`: paths lose their beginnings first, then lines their ends.
pub(super) fn lay_out(
    columns: &[(&str, Align)],
    rows: &[Vec<String>],
    width: Option<usize>,
) -> Vec<String> {
    let widest = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells
            .map(|cell| cell.width())
            .fold(title.width(), usize::max)
    };
    let mut widths: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, (title, _))| widest(at, title))
        .collect();
    if let Some(width) = width {
        shrink(columns, &mut widths, width);
    }
    let titles: Vec<_> = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let all = std::iter::once(&titles).chain(rows);
    all.map(|row| line(columns, &widths, row, width)).collect()
}

/// Takes from the widest of the columns that may be cut, until all fits.
fn shrink(columns: &[(&str, Align)], widths: &mut [usize], width: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let cut = columns.iter().zip(widths.iter_mut());
        let cut = cut.filter(|((_, align), width)| *align == Align::Cut && **width > LEAST);
        match cut.map(|(_, width)| width).max() {
            Some(widest) => *widest -= 1,
            None => return,
        }
    }
}

fn line(
    columns: &[(&str, Align)],
    widths: &[usize],
    row: &[String],
    width: Option<usize>,
) -> String {
    let cells = columns.iter().zip(widths).zip(row);
    let cells: Vec<_> = cells
        .map(|(((_, align), width), cell)| {
            let cell = without_beginning(cell, *width);
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Right => blanks + &cell,
                Align::Left | Align::Cut => cell + &blanks,
            }
        })
        .collect();
    let line = cells.join(GAP);
    without_end(line.trim_end(), width.unwrap_or(usize::MAX))
}

/// The end of a path tells more than its beginning.
fn without_beginning(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    });
    let from = kept.last().map_or(text.len(), |(at, _)| at);
    format!("…{}", &text[from..])
}

fn without_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [(&str, Align); 3] = [
        ("NAME", Align::Left),
        ("SIZE", Align::Right),
        ("PATH", Align::Cut),
    ];

    fn rows() -> Vec<Vec<String>> {
        [
            ["tom", "12 kB", "/pictures/2026/11/one.jpg"],
            ["jerry", "1 B", "/年度报告/二零二六/十一月.pdf"],
        ]
        .map(|row| row.map(str::to_owned).to_vec())
        .to_vec()
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        assert_eq!(
            lay_out(&COLUMNS, &rows(), None),
            [
                "NAME    SIZE  PATH",
                "tom    12 kB  /pictures/2026/11/one.jpg",
                "jerry    1 B  /年度报告/二零二六/十一月.pdf",
            ]
        );
        assert_eq!(lay_out(&COLUMNS, &[], None), ["NAME  SIZE  PATH"]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_paths_keep_their_ends() {
        for width in 1..60 {
            for line in lay_out(&COLUMNS, &rows(), Some(width)) {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
        }
        assert_eq!(
            lay_out(&COLUMNS, &rows(), Some(30))[1..],
            [
                "tom    12 kB  …2026/11/one.jpg",
                "jerry    1 B  …二六/十一月.pdf"
            ]
        );
        assert_eq!(lay_out(&COLUMNS, &rows(), Some(5))[1], "tom …");
    }
}
