//! The store as its users see it: what is committed is there, what is damaged is refused, what is erased
//! is gone.

use std::fs;
use std::path::Path;

use fjall::Database;

use super::*;
use crate::base::hash::Hashes;
use crate::base::id::UserKey;
use crate::base::money::{Conversion, Money};
use crate::model::rows::{Parts, pair};
use crate::model::ticket::Ticket;

/// A folder in memory where there is one: what a disk does to be durable is not what is tested.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("folder")
}

fn row(table: Table, key: u64, value: Option<&[u8]>) -> Row {
    Row {
        table,
        key: key.to_be_bytes().to_vec(),
        value: value.map(<[u8]>::to_vec),
    }
}

#[test]
fn what_is_committed_is_there_after_reopening() {
    let dir = folder();
    let mut store = Store::open(dir.path()).expect("open");
    let (one, two) = (row(Table::Paces, 1, Some(b"a")), row(Table::Paces, 2, Some(b"b")));
    let fact = Row {
        table: Table::Facts,
        key: Parts::key(700, &6u64.to_be_bytes()),
        value: Some(b"{}".to_vec()),
    };
    store.commit(&[one, two, fact]).expect("commit");
    store.commit(&[row(Table::Paces, 1, None)]).expect("commit");
    drop(store);
    let store = Store::open(dir.path()).expect("reopen");
    assert_eq!(store.get(Table::Paces, &2u64.to_be_bytes()).expect("get"), Some(b"b".to_vec()));
    assert_eq!(store.get(Table::Paces, &1u64.to_be_bytes()).expect("get"), None);
    assert_eq!(store.rows(Table::Paces).count(), 1);
    assert_eq!(store.next_fact().expect("number"), 7);
    assert_eq!(store.prefix(Table::Paces, &[0, 0]).expect("scan").len(), 1);
    assert_eq!(store.last_commit(), 2);
    let files: Vec<_> = fs::read_dir(dir.path())
        .expect("folder")
        .map(|e| e.expect("entry").file_name())
        .collect();
    assert_eq!(files.len(), 4, "store, lock, high-water, erased and nothing else: {files:?}");
}

/// Three commits, with the journal as it was after the second.
fn three(dir: &Path) -> (PathBuf, Vec<u8>) {
    let mut store = Store::open(dir).expect("open");
    let journal = dir.join("store/0.jnl");
    let mut shorter = Vec::new();
    for n in 0..3 {
        store.commit(&[row(Table::Users, n, Some(b"somebody"))]).expect("commit");
        if n == 1 {
            shorter = fs::read(&journal).expect("journal");
        }
    }
    (journal, shorter)
}

#[test]
fn a_store_that_lost_its_end_is_refused_as_it_was_found() {
    let dir = folder();
    let (journal, shorter) = three(dir.path());
    // Half a commit at the end, which opening cuts off.
    let torn = [shorter.as_slice(), &shorter[shorter.len() - 30..shorter.len() - 10]].concat();
    fs::write(&journal, &torn).expect("cut");
    for _ in 0..2 {
        let refused = Store::open(dir.path()).err().expect("refused");
        assert!(matches!(refused, Trouble::Short { at: 2, acknowledged: 3 }), "{refused}");
        assert_eq!(fs::read(&journal).expect("journal"), torn, "left as it was");
    }
    let store = Store::open_with_losses(dir.path()).expect("open");
    assert_eq!((store.last_commit(), store.rows(Table::Users).count()), (2, 2));
    drop(store);
    assert_eq!(Store::open(dir.path()).expect("open").last_commit(), 2, "the loss is accepted once");
}

#[test]
fn each_trouble_says_what_to_do() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 6] = [
        (
            "no mark",
            |dir| fs::remove_file(dir.join("high-water")).expect("removed"),
            "/high-water is missing, so nobody can tell whether the store is whole: restore a backup, or start with --accept-loss",
        ),
        (
            "a mark of nonsense",
            |dir| fs::write(dir.join("high-water"), "nonsense").expect("written"),
            "/high-water is damaged, so nobody can tell whether the store is whole: restore a backup, or start with --accept-loss",
        ),
        (
            "no store",
            |dir| fs::remove_dir_all(dir.join("store")).expect("removed"),
            "store ends at commit 0 but 3 was acknowledged: restore a backup, or start with --accept-loss",
        ),
        (
            "no journal",
            |dir| fs::remove_file(dir.join("store/0.jnl")).expect("removed"),
            "store ends at commit 0 but 3 was acknowledged: restore a backup, or start with --accept-loss",
        ),
        (
            "a restore that was interrupted",
            |dir| fs::write(dir.join("restoring"), "").expect("written"),
            ": run it again",
        ),
        (
            "a folder in use",
            |dir| {
                let held = open::lock(dir).expect("lock");
                std::mem::forget(held);
            },
            ": stop it, or give this one a `data_dir` of its own",
        ),
    ];
    for (name, spoil, said) in cases {
        let dir = folder();
        three(dir.path());
        spoil(dir.path());
        let refused = Store::open(dir.path()).err().unwrap_or_else(|| panic!("{name} is not refused"));
        assert!(refused.to_string().ends_with(said), "{name}: {refused}");
    }
}

#[test]
fn a_store_of_an_older_program_opens_and_one_of_a_newer_does_not() {
    let dir = folder();
    let raw = |change: &dyn Fn(&Database)| {
        let db = Database::builder(dir.path().join("store")).worker_threads(1).open().expect("fjall");
        change(&db);
        db.persist(PersistMode::SyncAll).expect("synced");
    };
    raw(&|db| {
        let users = db.keyspace("users", Default::default).expect("users");
        users.insert(1u64.to_be_bytes(), "somebody").expect("row");
    });
    let mut store = Store::open(dir.path()).expect("an older one");
    assert_eq!((store.rows(Table::Users).count(), store.last_commit()), (1, 0));
    store.commit(&[row(Table::Users, 2, Some(b"else"))]).expect("commit");
    drop(store);
    raw(&|db| {
        let meta = db.keyspace(META, Default::default).expect("meta");
        meta.insert("version", 7u32.to_le_bytes()).expect("row");
    });
    let refused = Store::open(dir.path()).err().expect("a newer one");
    assert!(matches!(refused, Trouble::Newer { found: 7, .. }), "{refused}");
}

#[test]
fn a_backup_restores_what_was_there_less_whom_was_erased_since() {
    let hashes = Hashes::from_hex(&"5a".repeat(16)).expect("key");
    let (dir, seals, file) = (folder(), folder(), folder());
    fs::write(dir.path().join("hash-key"), "5a".repeat(16)).expect("key");
    fs::write(seals.path().join("1.key"), "ab".repeat(32)).expect("key");
    let mut store = Store::open(dir.path()).expect("open");
    let erase = |key: u64, at: u32| row(Table::Erased, hashes.erased(key), Some(&at.to_le_bytes()));
    let users: Vec<Row> = (0..1_000).map(|n| row(Table::Users, n, Some(b"somebody"))).collect();
    store.commit(&users).expect("commit");
    // Whoever was erased before the backup and came back stays.
    store.commit(&[row(Table::Users, 5, None), erase(5, 100)]).expect("commit");
    store.commit(&[row(Table::Users, 5, Some(b"back again"))]).expect("commit");
    let keys = backup::keys(dir.path(), seals.path()).expect("keys");
    let path = file.path().join("backup");
    let rows = backup::write(&store, &keys, &mut File::create(&path).expect("file")).expect("backup");
    store.commit(&[row(Table::Users, 7, None), erase(7, 200)]).expect("commit");
    store.commit(&[row(Table::Users, 2_000, Some(b"too late"))]).expect("commit");
    drop(store);

    let refused = restore::restore(&path, dir.path(), seals.path()).expect_err("in use");
    assert!(matches!(refused, restore::Refused::NotEmpty { .. }), "{refused}");
    let bytes = fs::read(&path).expect("bytes");
    let (mut tried, mut refused) = (0, 0);
    for bit in (0..8 * bytes.len()).step_by(1 + 8 * bytes.len() / 400) {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        tried += 1;
        refused += usize::from(backup::check(&mut damaged.as_slice()).is_err());
    }
    assert!(tried >= 350 && refused == tried, "{refused} of {tried} single bits are noticed");
    assert_eq!(backup::check(&mut bytes.as_slice()).expect("whole"), rows);

    let (new, new_seals) = (folder(), folder());
    fs::copy(dir.path().join("erased"), new.path().join("erased")).expect("the list outlives the store");
    let restored = restore::restore(&path, new.path(), new_seals.path()).expect("restored");
    assert_eq!((restored.left_out, restored.commit), (1, 3));
    let mut store = Store::open(new.path()).expect("open");
    assert_eq!(store.finish_erasures(&hashes).expect("nothing to do"), 0);
    assert_eq!((store.rows(Table::Users).count(), store.last_commit()), (999, 3));
    let get = |key: u64| store.get(Table::Users, &key.to_be_bytes()).expect("get");
    assert_eq!((get(5), get(7), get(2_000)), (Some(b"back again".to_vec()), None, None));
    assert_eq!(fs::read(new_seals.path().join("1.key")).expect("key"), "ab".repeat(32).into_bytes());
}

#[test]
fn a_store_that_was_being_put_in_place_is_there_or_the_one_before() {
    // What a crash leaves: `spare` is another whole store, the next one or the one before.
    let moved = |dir: &Path, from: &str, to: &str| fs::rename(dir.join(from), dir.join(to)).expect("moved");
    let cases: [(&str, &[(&str, &str)]); 3] = [
        ("all of the next, not yet in place", &[("spare", "store.new")]),
        ("the store moved away", &[("store", "store.old"), ("spare", "store.new")]),
        ("the next in place", &[("spare", "store.old")]),
    ];
    for (name, moves) in cases {
        let (dir, spare) = (folder(), folder());
        three(dir.path());
        three(spare.path());
        fs::rename(spare.path().join("store"), dir.path().join("spare")).expect("moved");
        moves.iter().for_each(|(from, to)| moved(dir.path(), from, to));
        let store = Store::open(dir.path()).unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
        assert_eq!((store.rows(Table::Users).count(), store.last_commit()), (3, 3), "{name}");
        let left = ["store.old", "store.new"].map(|folder| dir.path().join(folder).exists());
        assert_eq!(left, [false; 2], "{name}");
    }
}

#[test]
fn an_erasure_that_was_noted_only_is_done_at_the_next_start() {
    let hashes = Hashes::new(&[3; 16]);
    let dir = folder();
    let mut store = Store::open(dir.path()).expect("open");
    let matched = row(Table::Matches, 9, Some(&1u64.to_be_bytes()));
    let handle = row(Table::Handles, 1, Some(&7u64.to_be_bytes()));
    let waiting = |tag: u64, user: u64| Row {
        table: Table::Pending,
        key: pair(100, tag),
        value: Some(ticket(UserKey(user)).write().to_vec()),
    };
    let users = [row(Table::Users, 1, Some(b"gone")), row(Table::Users, 2, Some(b"stays"))];
    store.commit(&users).expect("commit");
    store.commit(&[matched, handle, waiting(5, 1), waiting(6, 2)]).expect("commit");
    let noted = row(Table::Erased, hashes.erased(1), Some(&9u32.to_le_bytes()));
    store.beside.lock().erased.note([&noted].into_iter()).expect("noted");
    assert!(!store.has_leftovers().expect("known"), "it is not done yet");
    assert_eq!(store.finish_erasures(&hashes).expect("done"), 4);
    assert_eq!(store.finish_erasures(&hashes).expect("done"), 0);
    let left = [Table::Users, Table::Matches, Table::Handles].map(|table| store.rows(table).count());
    assert_eq!((left, store.has_leftovers().expect("known")), ([1, 0, 0], true));
    let waits = |row: io::Result<Row>| Ticket::read(&row.expect("row").value.expect("a value"));
    let still: Vec<_> = store.rows(Table::Pending).map(waits).collect();
    let nobody = ticket(UserKey(1)).of_nobody();
    assert_eq!(still, [Some(nobody), Some(ticket(UserKey(2)))], "it is billed all the same");
}

fn ticket(user: UserKey) -> Ticket {
    Ticket {
        user,
        ..Ticket::priced(Money::units(3), Conversion { from: 1, to: 1 })
    }
}
