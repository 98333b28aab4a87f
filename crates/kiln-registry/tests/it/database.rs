//! The database from outside: what is acknowledged is there, what failed left nothing, and readers
//! never wait.

use std::sync::mpsc;

use kiln_registry::database::{Database, DatabaseError, Transaction};
use kiln_testkit::TempDir;

use crate::backing::Backing;

const INSERT: &str = "INSERT INTO garbage (object, due) VALUES ($1, $2)";

fn insert(transaction: &mut dyn Transaction, object: &str) -> Result<(), DatabaseError> {
    transaction.execute(INSERT, &[object.into(), 1.into()])?;
    Ok(())
}

async fn objects(database: &Database) -> Vec<String> {
    let read = database.read(|transaction| {
        let rows = transaction.query("SELECT object FROM garbage ORDER BY object", &[])?;
        rows.iter().map(|row| row.get(0)).collect()
    });
    read.await.map_err(|error: DatabaseError| error).unwrap()
}

#[tokio::test]
async fn writes_that_wait_together_are_each_kept_or_undone_alone() {
    let directory = TempDir::new();
    let database = Backing::of(directory.path()).database(directory.path());
    let mut tasks = vec![];
    for number in 0..200 {
        let database = database.clone();
        tasks.push(tokio::spawn(async move {
            let work = move |transaction: &mut dyn Transaction| {
                insert(transaction, &format!("{number:03}"))?;
                match number % 10 {
                    0 => insert(transaction, &format!("{number:03}")),
                    _ => Ok(()),
                }
            };
            match number % 2 {
                0 => database.write(work).await,
                _ => database.write_relaxed(work).await,
            }
        }));
    }
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(()) => assert_ne!(number % 10, 0),
            Err(error) => {
                assert!(matches!(error, DatabaseError::Duplicate { .. }), "{error}");
                assert_eq!(number % 10, 0);
            }
        }
    }
    let expected = (0..200).filter(|number| number % 10 != 0);
    let expected: Vec<String> = expected.map(|number| format!("{number:03}")).collect();
    assert_eq!(objects(&database).await, expected);
    drop(database);
    let again = Backing::of(directory.path()).database(directory.path());
    assert_eq!(objects(&again).await, expected);
}

#[tokio::test]
async fn a_panic_undoes_its_own_work_only() {
    let directory = TempDir::new();
    let database = Backing::of(directory.path()).database(directory.path());
    let panicking = database.write(|transaction| -> Result<(), DatabaseError> {
        insert(transaction, "lost")?;
        panic!("as the test wants it");
    });
    let result = panicking.await;
    assert!(matches!(result, Err(DatabaseError::Abandoned { .. })));
    let kept = database.write(|transaction| insert(transaction, "kept"));
    kept.await.unwrap();
    assert_eq!(objects(&database).await, ["kept"]);
    let reading = database.read(|_| -> Result<(), DatabaseError> { panic!("and here") });
    assert!(matches!(
        reading.await,
        Err(DatabaseError::Abandoned { .. })
    ));
}

#[tokio::test]
async fn readers_see_one_state_and_do_not_wait_for_the_writer() {
    let directory = TempDir::new();
    let database = Backing::of(directory.path()).database(directory.path());
    let (inside, is_inside) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let writing = tokio::spawn({
        let database = database.clone();
        async move {
            let work = move |transaction: &mut dyn Transaction| {
                insert(transaction, "x")?;
                inside.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok::<_, DatabaseError>(())
            };
            database.write(work).await
        }
    });
    tokio::task::spawn_blocking(move || is_inside.recv().unwrap())
        .await
        .unwrap();
    assert!(objects(&database).await.is_empty());
    go_on.send(()).unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(objects(&database).await, ["x"]);
    let writing_reader = database.read(|transaction| insert(transaction, "y"));
    assert!(writing_reader.await.is_err());
    assert_eq!(objects(&database).await, ["x"]);
}
