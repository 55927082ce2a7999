//! Which files `filesToSign` selects, and what is said of an entry that selects none.

use crate::*;

fn image() -> FakeImage {
    let layer = FakeLayer::new()
        .file("opt/lib/modules/6.1/a.ko", b"a")
        .file("opt/lib/modules/6.1/b.ko", b"b")
        .file("opt/lib/modules/6.1/.hidden.ko", b"hidden")
        .file("opt/lib/modules/6.1/deep/c.ko", b"c")
        .file("opt/lib/modules/5.14/a.ko", b"old a")
        .file("opt/lib/modules/6.1/modules.dep", b"dep")
        .file("srv/d.ko", b"d");
    FakeImage::new().layer(LAYER_GZIP, layer.gzip())
}

// Rows "br-20", "br-21", "br-22".
#[tokio::test]
async fn paths_and_patterns_select_as_a_shell_expands_them() {
    let rows: [(&[&str], &[&str]); 9] = [
        (&["/opt/lib/modules/6.1/a.ko"], &["6.1/a.ko"]),
        (
            &["/opt/lib/modules/6.1/a.ko", "/opt/lib/modules/6.1/b.ko"],
            &["6.1/a.ko", "6.1/b.ko"],
        ),
        (&["/opt/lib/modules/6.1/*.ko"], &["6.1/a.ko", "6.1/b.ko"]),
        (&["/opt/lib/modules/*/a.ko"], &["5.14/a.ko", "6.1/a.ko"]),
        (&["/opt/lib/modules/6.1/[bc].ko"], &["6.1/b.ko"]),
        (&["/opt/lib/modules/6.?/*/?.ko"], &["6.1/deep/c.ko"]),
        (&["/opt/lib/modules/6.1/.h*.ko"], &["6.1/.hidden.ko"]),
        (&["/o*/lib/./modules//6.1/a.ko"], &["6.1/a.ko"]),
        (&["/opt/lib/modules/6.1/modules.dep"], &["6.1/modules.dep"]),
    ];
    for (entries, expected) in rows {
        let written = Bench::new(&image()).signed(entries).await;
        let expected: Vec<String> = expected.iter().map(|path| format!("opt/lib/modules/{path}")).collect();
        assert_eq!(written.paths(), expected, "{entries:?}");
    }
}

#[tokio::test]
async fn what_two_entries_select_is_signed_twice_as_kmm_does_and_what_one_selects_once() {
    let entries = ["/opt/lib/modules/6.1/*.ko", "/opt/lib/modules/6.1/a.ko"];
    let files = Bench::new(&image()).signed(&entries).await.files();
    assert_eq!(files["opt/lib/modules/6.1/a.ko"], "a~signed~signed");
    assert_eq!(files["opt/lib/modules/6.1/b.ko"], "b~signed");
}

// Rows "br-23", "br-24": an entry that matches nothing fails, wherever it stands, and so does a file.
#[tokio::test]
async fn an_entry_that_matches_nothing_is_an_error_that_names_what_comes_near() {
    let bench = Bench::new(&image());
    let rows = [
        ("/opt/lib/modules/6.1/aa.ko", "comes near is /opt/lib/modules/6.1/a.ko"),
        (
            "/opt/lib/modules/6.2/c.ko",
            "comes near is /opt/lib/modules/6.1/deep/c.ko",
        ),
        ("/opt/lib/modules/6.1/x*.ko", "comes near is"),
        ("/opt/lib/modules/6.1/*/a.ko", "comes near is"),
    ];
    for (entry, words) in rows {
        let message = bench.refused(&[entry, "/opt/lib/modules/6.1/a.ko"]).await;
        assert!(
            message.contains(&format!("`{entry}` in filesToSign matches no file")),
            "{message}"
        );
        assert!(message.contains(words), "{message}");
    }
    assert!(
        bench.asked.lock().unwrap().is_empty(),
        "something was signed before all was known"
    );
}

#[tokio::test]
async fn only_what_kmm_copies_is_signed() {
    let bench = Bench::new(&image());
    let message = bench.refused(&["/srv/d.ko"]).await;
    assert!(
        message.contains("is not below /opt: KMM signs a copy of that folder alone"),
        "{message}"
    );
    assert!(bench.refused(&["/*/d.ko"]).await.contains("matches no file"));
    let bench = Bench {
        dir_name: "/srv",
        ..bench
    };
    assert_eq!(bench.signed(&["/srv/d.ko"]).await.paths(), ["srv/d.ko"]);
}

// Row "br-25".
#[tokio::test]
async fn an_entry_that_no_path_can_be_is_refused() {
    let bench = Bench::new(&image());
    let rows = [
        ("opt/a.ko", "is no absolute path"),
        ("", "is no absolute path"),
        ("/opt/a.ko\nRUN cat /run/secrets/key/key", "control character"),
        ("/opt/../srv/d.ko", "`..`"),
        ("/opt", "is not below /opt"),
        ("/opt/lib/modules/6.1", "which is a folder"),
        ("/opt/lib/modules/*", "which is a folder"),
    ];
    for (entry, words) in rows {
        let message = bench.refused(&[entry]).await;
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    }
}

#[tokio::test]
async fn a_file_that_a_higher_layer_removed_is_not_there() {
    let removed = FakeLayer::new().whiteout("opt/lib/modules/6.1/a.ko");
    let bench = Bench::new(&image().layer(LAYER_GZIP, removed.gzip()));
    assert!(
        bench
            .refused(&["/opt/lib/modules/6.1/a.ko"])
            .await
            .contains("matches no file")
    );
    let written = bench.signed(&["/opt/lib/modules/6.1/*.ko"]).await;
    assert_eq!(written.paths(), ["opt/lib/modules/6.1/b.ko"]);
}

#[tokio::test]
async fn of_a_file_in_several_layers_the_topmost_is_signed() {
    let newer = FakeLayer::new().file("opt/lib/modules/6.1/a.ko", b"newer");
    let image = image().layer(LAYER_GZIP, newer.gzip());
    let files = Bench::new(&image).signed(&["/opt/lib/modules/6.1/*.ko"]).await.files();
    assert_eq!(files["opt/lib/modules/6.1/a.ko"], "newer~signed");
    assert_eq!(files["opt/lib/modules/6.1/b.ko"], "b~signed");
}

#[tokio::test]
async fn links_are_followed_and_a_link_that_is_named_becomes_a_signed_file() {
    let layer = FakeLayer::new()
        .link("opt/modules", "lib/modules")
        .link("opt/lib/modules/6.1/link.ko", "deep/c.ko")
        .hard_link("opt/lib/modules/6.1/hard.ko", "opt/lib/modules/6.1/b.ko")
        .link("opt/lib/modules/6.1/dangling.ko", "nowhere.ko")
        .link("opt/out", "/srv");
    let bench = Bench::new(&image().layer(LAYER_GZIP, layer.gzip()));
    let entries = [
        "/opt/modules/6.1/a.ko",
        "/opt/modules/6.1/link.ko",
        "/opt/modules/6.1/hard.ko",
    ];
    let files = bench.signed(&entries).await.files();
    let rows = [("a.ko", "a~signed"), ("hard.ko", "b~signed"), ("link.ko", "c~signed")];
    let expected = rows.map(|(name, text)| (format!("opt/lib/modules/6.1/{name}"), text.to_owned()));
    assert_eq!(files, BTreeMap::from(expected));
    let message = Bench::new(&image().layer(LAYER_GZIP, FakeLayer::new().link("opt/x.ko", "y").gzip()))
        .refused(&["/opt/x.ko"])
        .await;
    assert!(message.contains("a link to nothing"), "{message}");
    assert!(
        Bench::new(&image().layer(LAYER_GZIP, FakeLayer::new().link("opt/out", "/srv").gzip()))
            .refused(&["/opt/out/d.ko"])
            .await
            .contains("matches no file")
    );
}

#[tokio::test]
async fn without_entries_nothing_is_signed_and_the_image_is_the_same() {
    let bench = Bench::new(&image());
    let (amended, _) = bench.sign(&[]).await.unwrap();
    assert_eq!((amended.digest.to_string(), amended.files), (image().digest(), 0));
    assert!(
        amended.warnings[0].contains("nothing was signed"),
        "{:?}",
        amended.warnings
    );
}
