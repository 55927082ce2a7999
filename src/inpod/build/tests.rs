//! What buildah's own words come to. They were recorded from buildah 1.28 and a plain registry.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::fault;
use super::story::Story;
use super::supervise::Ended;

fn story(lines: &[&str]) -> Story {
    let mut story = Story::default();
    for line in lines {
        story.hear(line);
    }
    story
}

fn exit(code: i32) -> Ended {
    Ended::Exited(ExitStatus::from_raw(code << 8))
}

/// Lines, the message, and whether the same may come to something else another time.
type Case = (&'static [&'static str], &'static str, bool);

const STEPS: [Case; 7] = [
    (
        &[
            "STEP 1/2: FROM localhost/base",
            "STEP 2/2: RUN make",
            "m.c:1: error: unknown type name 'foo'",
            "subprocess exited with status 2",
            "Error: building at STEP \"RUN make\": exit status 2",
        ],
        "build failed at step 2/2 (RUN make): exit status 2",
        false,
    ),
    (
        &[
            "[1/2] STEP 4/4: RUN echo \": x\" >&2; exit 3",
            "Error: building at STEP \"RUN echo \": x\" >&2; exit 3\": while running runtime: exit status 3",
        ],
        "build failed at step 4/4 of stage 1/2 (RUN echo \": x\" >&2; exit 3): exit status 3",
        false,
    ),
    (
        &[
            "STEP 2/2: FOO bar",
            "time=\"2026-01-02T03:04:05Z\" level=error msg=\"+(UNHANDLED LOGLEVEL) &imagebuilder.Step{}\"",
            "Error: building at STEP \"FOO \": Build error: Unknown instruction: \"FOO\" &imagebuilder.Step{Env:[]string{}}",
        ],
        "build failed at step 2/2 (FOO bar): Unknown instruction: \"FOO\"",
        false,
    ),
    (
        &[
            "STEP 2/2: COPY foo /foo",
            "Error: building at STEP \"COPY foo /foo\": checking on sources under \"/tmp/c\": copier: stat: \"/foo\": no such \
             file or directory",
        ],
        "build failed at step 2/2 (COPY foo /foo): checking on sources under \"/tmp/c\": copier: stat: \"/foo\": no such \
         file or directory; KMM builds without files beside the Dockerfile: COPY from another stage, or ADD a URL",
        false,
    ),
    (
        &[
            "STEP 2/2: RUN cc",
            "cc: fatal error: Killed signal terminated program cc1",
            "Error: building at STEP \"RUN cc\": exit status 1",
        ],
        "the build was killed at step 2/2 (RUN cc), most likely since it needs more memory than its container or node has",
        true,
    ),
    (
        &[
            "STEP 2/3: RUN make",
            "ld: final link failed: No space left on device",
            "Error: building at STEP \"RUN make\": exit status 1",
        ],
        "the build ran out of disk at step 2/3 (RUN make): no space left on device; give the node more, or build less into \
         the image",
        true,
    ),
    (
        &[
            "STEP 2/2: COPY --from=r.example.com/x:1 /a /a",
            "time=\"2026-01-02T03:04:05Z\" level=warning msg=\"Failed, retrying in 2s ... (1/3). Error: dial tcp\"",
            "Error: COPY --from=r.example.com/x:1: no stage or image found with that name",
        ],
        "build failed at step 2/2 (COPY --from=r.example.com/x:1 /a /a): COPY --from=r.example.com/x:1: no stage or image \
         found with that name",
        true,
    ),
];

const BASES: [Case; 8] = [
    (
        &[
            "STEP 1/1: FROM 127.0.0.1:1/base:1",
            "Trying to pull 127.0.0.1:1/base:1...",
            "Error: creating build container: initializing source docker://127.0.0.1:1/base:1: pinging container registry \
             127.0.0.1:1: Get \"https://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
        ],
        "the base image 127.0.0.1:1/base:1 could not be pulled: pinging container registry 127.0.0.1:1: Get \
         \"https://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
        true,
    ),
    (
        &[
            "Error: creating build container: initializing source docker://r/base:2: reading manifest 2 in r/base: manifest \
           unknown: manifest unknown",
        ],
        "the base image r/base:2 does not exist: reading manifest 2 in r/base: manifest unknown: manifest unknown; correct \
         the Dockerfile or its build arguments",
        false,
    ),
    (
        &[
            "Error: creating build container: initializing source docker://r/base:2: reading manifest 2 in r/base: \
           unauthorized: authentication required",
        ],
        "the base image r/base:2 is missing, or not accessible with the Module's imageRepoSecret: reading manifest 2 in \
         r/base: unauthorized: authentication required",
        false,
    ),
    (
        &[
            "Error: creating build container: initializing source docker://r/base:2: reading manifest 2 in r/base: errors:",
            "denied: requested access to the resource is denied",
        ],
        "the base image r/base:2 is missing, or not accessible with the Module's imageRepoSecret: reading manifest 2 in \
         r/base: errors: denied: requested access to the resource is denied",
        false,
    ),
    (
        &[
            "Error: creating build container: initializing source docker://r/base:2: toomanyrequests: access denied for now",
        ],
        "the base image r/base:2 could not be pulled: toomanyrequests: access denied for now",
        true,
    ),
    (
        &[
            "Error: creating build container: choosing an image from manifest list docker://r/base:2: no image found in \
           manifest list for architecture \"arm64\", variant \"v8\", OS \"linux\"",
        ],
        "the base image r/base:2 is not there for this architecture: no image found in manifest list for architecture \
         \"arm64\", variant \"v8\", OS \"linux\"",
        false,
    ),
    (
        &["Error: creating build container: short-name \"x\" did not resolve to an alias"],
        "a base image has no registry in its name: creating build container: short-name \"x\" did not resolve to an alias; \
         write it in full in the Dockerfile, as in registry.example.com/name:tag",
        false,
    ),
    (
        &["Error: no FROM statement found"],
        "the Dockerfile cannot be understood: no FROM statement found",
        false,
    ),
];

#[test]
fn every_cause_has_words_of_its_own() {
    for (lines, message, again) in STEPS.into_iter().chain(BASES) {
        let failure = fault::of(&exit(125), &story(lines));
        assert_eq!(failure.message, message);
        assert_eq!(failure.again, again, "{message}");
    }
}

#[test]
fn what_ends_without_a_word_is_told_by_how_it_ended() {
    let lines = ["STEP 1/2: FROM base"];
    for (ended, lines, message, again) in [
        (
            exit(9),
            &lines[..],
            "build failed at step 1/2 (FROM base): buildah ended with exit status 9",
            false,
        ),
        (
            exit(9),
            &[],
            "buildah ended with exit status 9 and said nothing of why",
            false,
        ),
        (
            Ended::Exited(ExitStatus::from_raw(9)),
            &[],
            "the build was killed, most likely since it needs more memory than its container or node has",
            true,
        ),
        (
            Ended::TooLate(Duration::from_secs(90)),
            &lines,
            "the build took longer than 90 s at step 1/2 (FROM base); give it more time (the operator's deadline of Jobs), \
             or let it do less",
            false,
        ),
        (
            Ended::Stopped,
            &lines,
            "the build's pod was told to end at step 1/2 (FROM base)",
            true,
        ),
    ] {
        let failure = fault::of(&ended, &story(lines));
        assert_eq!((failure.message.as_str(), failure.again), (message, again));
    }
}

#[test]
fn the_last_useful_lines_of_the_failed_step_are_kept() {
    let noise = (0..100).map(|at| format!("line {at}")).collect::<Vec<_>>();
    let mut told = story(&["STEP 1/2: FROM base", "of the first step", "STEP 2/2: RUN make"]);
    for line in &noise {
        told.hear(line);
    }
    for line in [
        "",
        "Copying blob sha256:0",
        "subprocess exited with status 2",
        "Error: building at STEP \"RUN make\": x",
    ] {
        told.hear(line);
    }
    assert_eq!(
        told.last_lines(),
        noise[71..],
        "29 lines, for the complaint was the 30th"
    );
}

#[test]
fn a_step_is_seen_behind_output_without_a_new_line() {
    let failure = fault::of(
        &exit(1),
        &story(&["[1/2] STEP 3/3: RUN cat x", "no new line[2/2] STEP 1/2: FROM base"]),
    );
    assert_eq!(
        failure.message,
        "build failed at step 1/2 of stage 2/2 (FROM base): buildah ended with exit status 1"
    );
}

#[test]
fn what_a_command_prints_is_no_complaint_of_buildah() {
    let lines = [
        "STEP 2/2: RUN make",
        "Error: docker://evil/image: unauthorized",
        "Error: building at STEP \"RUN make\": exit status 1",
    ];
    let failure = fault::of(&exit(1), &story(&lines));
    assert_eq!(failure.message, "build failed at step 2/2 (RUN make): exit status 1");
    assert_eq!(failure.log, ["Error: docker://evil/image: unauthorized"]);
}

#[test]
fn long_lines_and_long_complaints_are_cut() {
    let long = "x".repeat(5000);
    let told = story(&["STEP 1/1: RUN make", &long, "Error: y", &long, &long]);
    assert!(told.last_lines().iter().all(|line| line.chars().count() <= 301));
    assert!(told.complaint.expect("one").len() < 7000);
}
