//! Lays the figures of a transfer out in one line of any width.

use std::time::Duration;

use super::columns::{columns, cut_middle};
use super::format::format_size;

/// The fewest columns that a name is given before figures are left out.
const NAME_MIN: usize = 5;

/// The columns of a bar, without its brackets.
const BAR_MIN: usize = 10;
const BAR_MAX: usize = 40;

/// What is known of a transfer at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Figures {
    /// Escaped; empty where nothing has a name.
    pub name: String,
    /// What is done where no bytes are carried, such as `hashing`; else empty.
    pub work: &'static str,
    /// How much is done; `None` where the whole is not known.
    pub percent: Option<u8>,
    /// The files of a tree.
    pub files: Option<Count>,
    /// Bytes that are done.
    pub bytes: Count,
    pub pace: Pace,
}

/// How many of how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub done: u64,
    pub of: u64,
    pub counted: Counted,
}

/// Whether the whole of a count is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counted {
    Whole,
    /// More may come.
    SoFar,
}

/// How a transfer gets on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    Unknown,
    Moving {
        bytes_per_second: u64,
        left: Option<Duration>,
    },
    /// Nothing has moved for so long.
    Stalled(Duration),
    /// All bytes are on their way, and the other end has not confirmed them for so long.
    Finishing(Duration),
}

/// Which figures stand in a line. The first layout that fits is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Bar,
    Bytes,
    PaceAndTime,
    Pace,
    PaceWithoutName,
}

const LAYOUTS: [Layout; 5] = [
    Layout::Bar,
    Layout::Bytes,
    Layout::PaceAndTime,
    Layout::Pace,
    Layout::PaceWithoutName,
];

impl Figures {
    /// Returns a line of at most `width` columns.
    pub(crate) fn fit(&self, width: usize) -> String {
        for layout in LAYOUTS {
            let figures = self.figures(layout);
            let taken = columns(&figures);
            let name = match layout {
                Layout::PaceWithoutName => 0,
                _ => columns(&self.name),
            };
            let bar = match layout {
                Layout::Bar if self.percent.is_some() => BAR_MIN + 3,
                _ => 0,
            };
            if taken + bar + name.min(NAME_MIN) + usize::from(name > 0) > width {
                continue;
            }
            return self.draw(layout, &figures, width);
        }
        cut_middle(&self.figures(Layout::PaceWithoutName), width)
    }

    /// Returns a line of any length, without a bar.
    pub(crate) fn whole(&self) -> String {
        let figures = self.figures(Layout::Bytes);
        let words: Vec<&str> = figures.split_whitespace().collect();
        match self.name.is_empty() {
            true => words.join(" "),
            false => format!("{}: {}", self.name, words.join(" ")),
        }
    }

    /// Draws name, bar and figures; `figures` leave room for the name's least.
    fn draw(&self, layout: Layout, figures: &str, width: usize) -> String {
        let taken = columns(figures);
        if layout == Layout::PaceWithoutName || self.name.is_empty() {
            return figures.to_owned();
        }
        let room = width - taken - 1;
        let (Layout::Bar, Some(percent)) = (layout, self.percent) else {
            return format!("{} {figures}", cut_middle(&self.name, room));
        };
        let bar = room.saturating_sub(columns(&self.name) + 3);
        let bar = bar.clamp(BAR_MIN, BAR_MAX);
        let name = cut_middle(&self.name, room - bar - 3);
        let (first, rest) = figures.split_at(figures.find('%').map_or(0, |at| at + 1));
        format!("{name} {first} {}{rest}", draw_bar(percent, bar))
    }

    /// Returns the figures of a layout, each as wide as it will be, so that they do not jump.
    fn figures(&self, layout: Layout) -> String {
        let mut parts = Vec::new();
        if matches!(layout, Layout::Bar | Layout::Bytes | Layout::PaceAndTime)
            && !self.work.is_empty()
        {
            parts.push(self.work.to_owned());
        }
        if let Some(percent) = self.percent {
            parts.push(format!("{percent:>2}%"));
        }
        if let Some(files) = &self.files {
            let count = files.format(|count| count.to_string());
            parts.push(match layout {
                Layout::Pace | Layout::PaceWithoutName => count,
                Layout::Bar | Layout::Bytes | Layout::PaceAndTime => format!("{count} files,"),
            });
        }
        if matches!(layout, Layout::Bar | Layout::Bytes) {
            parts.push(
                self.bytes
                    .format(|count| format!("{:>6}", format_size(count))),
            );
        }
        let pace = self.pace.format(layout);
        if !pace.is_empty() {
            parts.push(pace);
        }
        // The comma parts the files from what follows.
        let text = parts.join(" ");
        text.strip_suffix(',').map(str::to_owned).unwrap_or(text)
    }
}

impl Count {
    /// `12/345`, and a `+` behind it where more may come.
    fn format(&self, format: impl Fn(u64) -> String) -> String {
        let more = match self.counted {
            Counted::Whole => "",
            Counted::SoFar => "+",
        };
        format!(
            "{}/{}{more}",
            format(self.done),
            format(self.of).trim_start()
        )
    }
}

impl Pace {
    fn format(self, layout: Layout) -> String {
        let has_time = matches!(layout, Layout::Bar | Layout::Bytes | Layout::PaceAndTime);
        match self {
            Self::Unknown if has_time => " ".repeat(18),
            Self::Unknown => String::new(),
            Self::Moving {
                bytes_per_second,
                left,
            } => {
                let rate = format!("{:>8}", format!("{}/s", format_size(bytes_per_second)));
                match left.filter(|_| has_time) {
                    Some(left) => format!("{rate} eta {:>5}", format_left(left)),
                    None if has_time => format!("{rate}{:10}", ""),
                    None => rate,
                }
            }
            Self::Stalled(time) if has_time => {
                format!("{:<18}", format!("stalled {}", format_seconds(time)))
            }
            Self::Stalled(time) => format!("stalled {}", format_seconds(time)),
            Self::Finishing(time) if has_time => {
                format!("{:<18}", format!("finishing {}", format_seconds(time)))
            }
            Self::Finishing(_) => "finishing".into(),
        }
    }
}

/// `[====>    ]`, with `width` columns between the brackets.
fn draw_bar(percent: u8, width: usize) -> String {
    let done = width * usize::from(percent) / 100;
    let head = if done < width { ">" } else { "" };
    let left = width - done - head.len();
    format!("[{}{head}{}]", "=".repeat(done), " ".repeat(left))
}

/// `0:07`, `12:34`, `1:02:03`, `5 d`.
fn format_left(left: Duration) -> String {
    let seconds = left.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes}:{:02}", seconds % 60),
        1..=99 => format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60),
        _ => format!("{} d", hours / 24),
    }
}

/// `7 s`, `12 min`.
fn format_seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=99 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Figures {
        Figures {
            name: name.into(),
            work: "",
            percent: Some(45),
            files: None,
            bytes: Count {
                done: 18_000_000,
                of: 40_000_000,
                counted: Counted::Whole,
            },
            pace: Pace::Moving {
                bytes_per_second: 800_000,
                left: Some(Duration::from_secs(34)),
            },
        }
    }

    fn tree(counted: Counted) -> Figures {
        Figures {
            percent: (counted == Counted::Whole).then_some(45),
            files: Some(Count {
                done: 12,
                of: 345,
                counted,
            }),
            bytes: Count {
                counted,
                ..file("").bytes
            },
            ..file("holiday pictures")
        }
    }

    #[test]
    fn a_file_at_four_widths() {
        let file = file("annual-report-2026.tar.gz");
        for (width, line) in [
            (19, "ann…gz 45% 800 kB/s"),
            (39, "annual-r….tar.gz 45% 800 kB/s eta  0:34"),
            (
                79,
                "annual-report-2026.tar.gz 45% [======>        ]  18 MB/40 MB 800 kB/s eta  0:34",
            ),
            (
                199,
                "annual-report-2026.tar.gz 45% [==================>                     ]  18 MB/40 MB 800 kB/s eta  0:34",
            ),
        ] {
            assert_eq!(file.fit(width).trim_end(), line, "{width}");
        }
        assert_eq!(
            file.whole(),
            "annual-report-2026.tar.gz: 45% 18 MB/40 MB 800 kB/s eta 0:34"
        );
    }

    #[test]
    fn a_tree_at_four_widths() {
        let tree = tree(Counted::Whole);
        for (width, line) in [
            (19, "45% 12/345 800 kB/s"),
            (39, "holiday pictures 45% 12/345 800 kB/s"),
            (
                79,
                "holiday pictures 45% [====>     ] 12/345 files,  18 MB/40 MB 800 kB/s eta  0:34",
            ),
            (
                199,
                "holiday pictures 45% [==================>                     ] 12/345 files,  18 MB/40 MB 800 kB/s eta  0:34",
            ),
        ] {
            assert_eq!(tree.fit(width).trim_end(), line, "{width}");
        }
        let so_far = self::tree(Counted::SoFar).whole();
        assert_eq!(
            so_far,
            "holiday pictures: 12/345+ files, 18 MB/40 MB+ 800 kB/s eta 0:34"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let paces = [
            Pace::Unknown,
            Pace::Moving {
                bytes_per_second: 999_000,
                left: Some(Duration::from_secs(200_000)),
            },
            Pace::Moving {
                bytes_per_second: 0,
                left: None,
            },
            Pace::Stalled(Duration::from_secs(7)),
            Pace::Finishing(Duration::from_secs(100)),
        ];
        let names = [
            "",
            "a",
            "年度报告年度报告年度报告",
            "a-very-long-name-of-a-file.tar.gz",
        ];
        for figures in [file(""), tree(Counted::Whole), tree(Counted::SoFar)] {
            for (name, pace) in names.iter().flat_map(|name| paces.map(|pace| (name, pace))) {
                for work in ["", "server works"] {
                    let figures = Figures {
                        name: (*name).into(),
                        work,
                        pace,
                        ..figures.clone()
                    };
                    for width in 1..=210 {
                        let line = figures.fit(width);
                        assert!(columns(&line) <= width, "{width}: {line:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_stalls_says_so_at_any_width() {
        let stalled = Figures {
            pace: Pace::Stalled(Duration::from_secs(7)),
            ..file("年度报告.txt")
        };
        for width in 19..=200 {
            assert!(stalled.fit(width).contains("stalled 7 s"), "{width}");
        }
    }

    #[test]
    fn times_as_people_read_them() {
        let shown = [7, 754, 3723, 500_000].map(|s| format_left(Duration::from_secs(s)));
        assert_eq!(shown, ["0:07", "12:34", "1:02:03", "5 d"]);
    }
}
