//! The files of samples: one for each day (UTC) in `data_dir/samples`, a line a request, for their owner alone.
//!
//! Bounded by the day, in all, and by the retention: beyond the first nothing more is kept that day, beyond the
//! second the oldest days go first. No facts: what a crash cuts off is missed by nobody.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::base::time::{Day, Millis, Span};

/// Their folder in `data_dir`.
pub const FOLDER: &str = "samples";
const ENDING: &str = "ndjson";

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one day.
    pub day_bytes: u64,
    /// Bytes of all days.
    pub total_bytes: u64,
    /// How long.
    pub retention: Span,
}

/// The folder, and the file of the day.
pub struct Folder {
    dir: PathBuf,
    today: Option<Today>,
}

struct Today {
    day: Day,
    file: BufWriter<File>,
    bytes: u64,
}

impl Folder {
    /// The folder of a data folder; it is made with the first sample.
    pub fn new(data_dir: &Path) -> Folder {
        Folder {
            dir: data_dir.join(FOLDER),
            today: None,
        }
    }

    /// Appends a line; false where the bounds leave no room for it.
    pub fn append(&mut self, line: &[u8], now: Millis, bounds: &Bounds) -> io::Result<bool> {
        let day = now.local_day(&TimeZone::UTC);
        if self.today.as_ref().is_none_or(|today| today.day != day) {
            self.flush()?;
            self.today = Some(self.open(day)?);
            self.tidy(now, bounds)?;
        }
        let length = line.len() as u64 + 1;
        let Some(today) = &mut self.today else { return Ok(false) };
        if today.bytes + length > bounds.day_bytes.min(bounds.total_bytes) {
            return Ok(false);
        }
        today.file.write_all(line)?;
        today.file.write_all(b"\n")?;
        today.bytes += length;
        Ok(true)
    }

    /// Hands what was appended to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.today.as_mut().map_or(Ok(()), |today| today.file.flush())
    }

    /// Removes the days that are over: those beyond the retention, and the oldest of more than there may be.
    pub fn tidy(&mut self, now: Millis, bounds: &Bounds) -> io::Result<()> {
        let first = now.before(bounds.retention).local_day(&TimeZone::UTC);
        let today = now.local_day(&TimeZone::UTC);
        let own = self.today.as_ref().map_or(0, |today| today.bytes);
        let mut days: BTreeMap<Day, (PathBuf, u64)> = BTreeMap::new();
        for (day, path) in files(&self.dir)? {
            if day != today {
                let bytes = fs::metadata(&path)?.len();
                days.insert(day, (path, bytes));
            }
        }
        let mut before: u64 = days.values().map(|(_, bytes)| bytes).sum();
        // Room for the day that is running, as far as it may go.
        let most = bounds.total_bytes.saturating_sub(own.max(bounds.day_bytes.min(bounds.total_bytes)));
        for (day, (path, bytes)) in days {
            if day < first || before > most {
                fs::remove_file(path)?;
                before -= bytes;
            }
        }
        Ok(())
    }

    fn open(&self, day: Day) -> io::Result<Today> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.dir.join(format!("{day}.{ENDING}"));
        let mut file = File::options().create(true).append(true).mode(0o600).open(&path)?;
        let mut bytes = file.metadata()?.len();
        // A line that a crash cut off must not take the next one with it.
        if bytes > 0 {
            file.write_all(b"\n")?;
            bytes += 1;
        }
        let file = BufWriter::new(file);
        Ok(Today { day, file, bytes })
    }
}

/// The files of a folder in the order of their days; none where there is no folder.
pub fn files(dir: &Path) -> io::Result<Vec<(Day, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
        let day = path.file_stem().and_then(|stem| Day::parse(stem.to_str()?));
        found.extend(day.filter(|_| is_ours).map(|day| (day, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = Millis(1_781_092_800_000);
    const BOUNDS: Bounds = Bounds {
        day_bytes: 100,
        total_bytes: 250,
        retention: Span::days(3),
    };

    fn kept(dir: &Path) -> Vec<u64> {
        let files = files(&dir.join(FOLDER)).expect("a folder");
        files.iter().map(|(_, path)| fs::metadata(path).expect("a file").len()).collect()
    }

    #[test]
    fn a_day_and_all_days_are_bounded_and_old_ones_go() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::new(dir.path());
        let fill = |folder: &mut Folder, day: u32| {
            let now = NOON.after(Span::days(day));
            let taken = (0..20).filter(|_| folder.append(&[b'x'; 9], now, &BOUNDS).expect("room")).count();
            folder.flush().expect("flushed");
            taken
        };
        assert_eq!(fill(&mut folder, 0), 10, "ten bytes a line, a hundred a day");
        assert_eq!((fill(&mut folder, 1), kept(dir.path())), (10, vec![100, 100]));
        assert_eq!(
            (fill(&mut folder, 2), kept(dir.path())),
            (10, vec![100, 100]),
            "the oldest made room"
        );
        drop(folder);
        let mut again = Folder::new(dir.path());
        assert_eq!(fill(&mut again, 2), 0, "a restart counts what is there");
        again.tidy(NOON.after(Span::days(6)), &BOUNDS).expect("tidied");
        assert_eq!(kept(dir.path()), Vec::<u64>::new(), "beyond the retention");
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(dir.path().join(FOLDER)).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
