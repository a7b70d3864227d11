//! The file that a backup makes: a name of its own until it is whole, for its owner alone, and
//! nothing of anybody else's is touched.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::time::timeout;

use super::{ONLY, backup, names_in, target};
use crate::support::{
    TIMEOUT, database::on_sqlite, process::command, server::Server, sql::Sql, wait_until,
};

/// A name that a backup of this file has while it is written.
fn part(file: &Path, random: &str) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{random}.part"));
    part.into()
}

fn mode(file: &Path) -> u32 {
    fs::symlink_metadata(file).unwrap().permissions().mode() & 0o777
}

/// A server with so much in its database that a copy takes a while.
async fn large() -> Server {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
                INSERT INTO steps (number, name, buildid, state_string, urls_json, hidden) \
                SELECT i, 'n' || i, 1, hex(zeroblob(10000)), '[]', 0 FROM n";
    server.sql().await.run(fill).await;
    server
}

async fn is_whole(file: &Path) -> bool {
    let plain = file.with_file_name("plain.sqlite");
    fs::copy(file, &plain).unwrap();
    let sql = Sql::open(&crate::support::database::Database::at(&plain)).await;
    let check = "SELECT COUNT(*) AS n FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    sql.number(check).await == 1
}

#[tokio::test]
async fn a_copy_is_its_owners_alone_whatever_the_umask() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = large().await;
    let (dir, file) = target();
    // Anybody may write there, as in /tmp.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    let program = command();
    let program = program.as_std().get_program().to_owned();
    let mut copying = tokio::process::Command::new("sh");
    copying
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(program)
        .args(["backup", "--database-url", &server.database.url])
        .arg(&file)
        .stdout(Stdio::null());
    let mut child = copying.spawn().unwrap();
    wait_until(async || {
        let mut is_begun = false;
        for name in names_in(dir.path()) {
            // It may have its final name by now.
            if let Ok(found) = fs::symlink_metadata(dir.path().join(&name)) {
                assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
                is_begun = true;
            }
        }
        is_begun
    })
    .await;
    assert!(
        timeout(TIMEOUT, child.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );
    assert_eq!(mode(&file), 0o600);
    assert!(is_whole(&file).await);
}

#[tokio::test]
async fn what_others_have_planted_is_neither_followed_nor_touched() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = Server::start().await;
    let (dir, file) = target();
    let victim = dir.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    // The names that earlier versions used, and one of today's.
    let mut old = file.as_os_str().to_owned();
    old.push(".part");
    let (old, link) = (PathBuf::from(old), part(&file, "aaaaaaaaaaaa"));
    symlink(&victim, &old).unwrap();
    symlink(&victim, &link).unwrap();
    fs::create_dir(part(&file, "bbbbbbbbbbbb")).unwrap();
    fs::write(part(&file, "mine"), "mine").unwrap();
    let before = names_in(dir.path()).len();
    backup(&server.database.url, &file).await.unwrap();
    assert_eq!(names_in(dir.path()).len(), before + 1);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    assert!(is_whole(&file).await);

    // A target that is a link is taken, wherever it leads.
    for leads_to in [victim.clone(), dir.path().join("nowhere")] {
        let link = dir.path().join("link.sqlite");
        symlink(&leads_to, &link).unwrap();
        let said = backup(&server.database.url, &link).await.unwrap_err();
        assert!(said.contains("already"), "{said}");
        assert_eq!(fs::read_link(&link).unwrap(), leads_to);
        fs::remove_file(link).unwrap();
    }
    assert!(!dir.path().join("nowhere").exists());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
}

#[tokio::test]
async fn what_a_killed_backup_has_left_is_removed_by_the_next() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = large().await;
    let (dir, file) = target();
    let mut copying = command();
    copying.args(["backup", "--database-url", &server.database.url]);
    let mut child = copying.arg(&file).spawn().unwrap();
    wait_until(async || !names_in(dir.path()).is_empty()).await;
    child.kill().await.unwrap();
    let left = names_in(dir.path());
    assert!(left.iter().all(|name| name.contains(".part")), "{left:?}");
    // Another is still being written.
    let other = part(&file, "cccccccccccc");
    fs::write(&other, "theirs").unwrap();
    let writing = File::open(&other).unwrap();
    writing.lock().unwrap();
    backup(&server.database.url, &file).await.unwrap();
    let mut names = names_in(dir.path());
    names.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(names, [name(&file), name(&other)]);
    assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
}

#[tokio::test]
async fn of_two_backups_at_once_one_gets_the_name() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = large().await;
    let (dir, file) = target();
    let url = &server.database.url;
    let both = tokio::join!(backup(url, &file), backup(url, &file));
    let (done, said) = match both {
        (Ok(done), Err(said)) | (Err(said), Ok(done)) => (done, said),
        other => panic!("{other:?}"),
    };
    assert!(said.contains("already"), "{said}");
    let bytes = fs::metadata(&file).unwrap().size();
    assert!(done.contains(&format!("{bytes} bytes")), "{done}");
    assert_eq!(names_in(dir.path()).len(), 1);
    assert!(is_whole(&file).await);
}
