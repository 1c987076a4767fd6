//! What is committed while a turn is under way: kept in a file without a name, so that it takes no memory
//! and is gone with the process.
//!
//! Written by the thread that commits, which must not fail for it: an error is kept until it is replayed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::Path;

use super::backup::push;
use crate::model::rows::{Row, Table};

/// No field is longer: a length beyond it was not written here.
const FIELD_BYTES_MAX: u32 = 1 << 30;

/// Commits in their order.
pub(super) struct Since {
    out: BufWriter<File>,
    commits: u64,
    failed: Option<io::Error>,
}

impl Since {
    /// Nothing yet; the file is in the data folder.
    pub(super) fn begin(data_dir: &Path) -> io::Result<Since> {
        Ok(Since {
            out: BufWriter::new(tempfile::tempfile_in(data_dir)?),
            commits: 0,
            failed: None,
        })
    }

    /// Keeps a commit.
    pub(super) fn note(&mut self, number: u64, rows: &[Row]) {
        let mut commit = number.to_le_bytes().to_vec();
        commit.extend((rows.len() as u32).to_le_bytes());
        for row in rows {
            commit.extend([row.table as u8, u8::from(row.value.is_some())]);
            push(&mut commit, &row.key);
            push(&mut commit, row.value.as_deref().unwrap_or_default());
        }
        self.commits += 1;
        if self.failed.is_none() {
            self.failed = self.out.write_all(&commit).err();
        }
    }

    /// Hands out every commit; returns how many there were.
    pub(super) fn replay(self, mut each: impl FnMut(u64, Vec<Row>) -> io::Result<()>) -> io::Result<u64> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut file = self.out.into_inner().map_err(|error| error.into_error())?;
        file.rewind()?;
        let mut from = BufReader::new(file);
        for _ in 0..self.commits {
            let number = u64::from_le_bytes(take(&mut from)?);
            let rows = u32::from_le_bytes(take(&mut from)?);
            let rows = (0..rows).map(|_| row(&mut from)).collect::<io::Result<Vec<_>>>()?;
            each(number, rows)?;
        }
        Ok(self.commits)
    }
}

fn row(from: &mut impl Read) -> io::Result<Row> {
    let [table, has_value] = take(from)?;
    let table = *Table::ALL.get(usize::from(table)).ok_or(ErrorKind::InvalidData)?;
    let (key, value) = (field(from)?, field(from)?);
    Ok(Row {
        table,
        key,
        value: (has_value == 1).then_some(value),
    })
}

fn field(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(take(from)?);
    if length > FIELD_BYTES_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_come_back_in_their_order() {
        let dir = tempfile::tempdir().expect("folder");
        let row = |n: u64, value: Option<&[u8]>| Row {
            table: Table::ALL[n as usize % Table::ALL.len()],
            key: n.to_be_bytes().to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        let commits: Vec<(u64, Vec<Row>)> = (1..100)
            .map(|n| (n, vec![row(n, Some(&[7; 300])), row(n + 1, None), row(n + 2, Some(b""))]))
            .collect();
        let mut since = Since::begin(dir.path()).expect("begun");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "it has no name");
        commits.iter().for_each(|(number, rows)| since.note(*number, rows));
        let mut came = Vec::new();
        let replayed = since.replay(|number, rows| {
            came.push((number, rows));
            Ok(())
        });
        assert_eq!((replayed.expect("replayed"), came), (99, commits));
    }
}
