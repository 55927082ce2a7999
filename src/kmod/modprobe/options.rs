//! The command line of modprobe, read as modprobe reads it (kmod `tools/modprobe.c: do_modprobe`).
//!
//! KMM puts `args`, the module's name and its parameters after one another, and GNU `getopt_long` looks for
//! options everywhere: a "parameter" that begins with `-` is an option too.

/// What a command line asks of modprobe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The words that are no options: a module and its parameters, or modules only (`all`).
    pub words: Vec<String>,
    /// Why nothing is loaded, although modprobe may answer success: the option, and what it does instead.
    pub instead: Option<Instead>,
    /// `-d`: the folder above `lib/modules`.
    pub root: Option<String>,
    /// `-S`: the kernel whose folder is searched.
    pub kernel: Option<String>,
    /// `-a`: every word is a module.
    pub all: bool,
    /// `--first-time`: a module that is loaded already is an error.
    pub first_time: bool,
    /// Which soft dependencies count.
    pub soft: SoftDependencies,
    /// What the kernel is told to ignore.
    pub force: Force,
}

/// Which soft dependencies count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoftDependencies {
    /// All of KMM's `softdep.conf`.
    #[default]
    All,
    /// `-i`: not those of the module that was asked for.
    NotOfTheAsked,
    /// `-C`: another configuration is read, and not KMM's.
    None,
}

/// What the kernel is told to ignore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Force {
    /// `-f`, `--force-vermagic`: vermagic.
    pub vermagic: bool,
    /// `-f`, `--force-modversion`: the symbols' versions.
    pub versions: bool,
}

impl Force {
    /// Whether it is told to ignore anything, which makes every module count as unsigned.
    pub const fn any(self) -> bool {
        self.vermagic || self.versions
    }
}

/// What modprobe does instead of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// `-r`: unloads.
    Removes,
    /// `-n`, `-D`, `-R`: only looks the module up.
    LooksUp,
    /// `-c`, `-V`, `-h`, `--show-…`: prints something and ends.
    Prints,
}

/// What an option does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    All,
    Remove,
    Wait,
    FirstTime,
    IgnoreCommands,
    Force,
    ForceModversion,
    ForceVermagic,
    LookUp,
    Print,
    PrintAndEnd,
    Config,
    Root,
    Kernel,
    /// Verbosity, logging, blacklists: nothing that changes whether a module loads.
    Nothing,
}

impl Meaning {
    const fn takes_value(self) -> bool {
        matches!(self, Self::Wait | Self::Config | Self::Root | Self::Kernel)
    }
}

/// Every option of kmod 28 to 34.
const OPTIONS: &[(Option<char>, &[&str], Meaning)] = &[
    (Some('a'), &["all"], Meaning::All),
    (Some('r'), &["remove"], Meaning::Remove),
    (None, &["remove-dependencies", "remove-holders"], Meaning::Nothing),
    (Some('w'), &["wait"], Meaning::Wait),
    (Some('R'), &["resolve-alias"], Meaning::LookUp),
    (None, &["first-time"], Meaning::FirstTime),
    (Some('i'), &["ignore-install", "ignore-remove"], Meaning::IgnoreCommands),
    (Some('b'), &["use-blacklist"], Meaning::Nothing),
    (Some('f'), &["force"], Meaning::Force),
    (None, &["force-modversion"], Meaning::ForceModversion),
    (None, &["force-vermagic"], Meaning::ForceVermagic),
    (Some('D'), &["show-depends"], Meaning::LookUp),
    (Some('c'), &["showconfig", "show-config"], Meaning::Print),
    (
        None,
        &["show-modversions", "dump-modversions", "show-exports"],
        Meaning::Print,
    ),
    (Some('n'), &["dry-run", "show"], Meaning::LookUp),
    (Some('C'), &["config"], Meaning::Config),
    (Some('d'), &["dirname"], Meaning::Root),
    (Some('S'), &["set-version"], Meaning::Kernel),
    (Some('s'), &["syslog"], Meaning::Nothing),
    (Some('q'), &["quiet"], Meaning::Nothing),
    (Some('v'), &["verbose"], Meaning::Nothing),
    (Some('V'), &["version"], Meaning::PrintAndEnd),
    (Some('h'), &["help"], Meaning::PrintAndEnd),
];

impl Command {
    /// Reads a command line, without the program's name.
    ///
    /// # Errors
    /// One sentence on what modprobe does not understand; it then ends with status 1.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut command = Self::default();
        let mut rest = args.iter().map(String::as_str);
        while let Some(arg) = rest.next() {
            if arg == "--" {
                command.words.extend(rest.by_ref().map(str::to_owned));
            } else if let Some(long) = arg.strip_prefix("--") {
                command.long(long, &mut rest)?;
            } else if arg.len() > 1 && arg.starts_with('-') {
                command.short(arg, &mut rest)?;
            } else {
                command.words.push(arg.to_owned());
            }
            if command.instead == Some(Instead::Prints) {
                return Ok(command);
            }
        }
        if command.words.is_empty() {
            Err("it names no module".to_owned())
        } else {
            Ok(command)
        }
    }

    /// `--name`, `--name=value`, `--name value`; an unambiguous beginning of a name is enough.
    fn long<'a>(&mut self, arg: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let (name, value) = arg
            .split_once('=')
            .map_or((arg, None), |(name, value)| (name, Some(value)));
        let meaning = long_meaning(name)?;
        match (meaning.takes_value(), value) {
            (false, Some(_)) => Err(format!("the option --{name} takes no value")),
            (false, None) => self.apply(meaning, ""),
            (true, Some(value)) => self.apply(meaning, value),
            (true, None) => {
                let value = rest
                    .next()
                    .ok_or_else(|| format!("the option --{name} wants a value"))?;
                self.apply(meaning, value)
            }
        }
    }

    /// `-abc`, `-dVALUE`, `-d VALUE`.
    fn short<'a>(&mut self, arg: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut letters = arg.strip_prefix('-').unwrap_or(arg).chars();
        while let Some(letter) = letters.next() {
            let (_, _, meaning) = OPTIONS
                .iter()
                .find(|(short, ..)| *short == Some(letter))
                .ok_or_else(|| format!("it has no option -{letter} (in `{arg}`)"))?;
            if !meaning.takes_value() {
                self.apply(*meaning, "")?;
                continue;
            }
            let attached = letters.as_str();
            let value = if attached.is_empty() {
                rest.next()
            } else {
                Some(attached)
            };
            return self.apply(
                *meaning,
                value.ok_or_else(|| format!("the option -{letter} wants a value"))?,
            );
        }
        Ok(())
    }

    fn apply(&mut self, meaning: Meaning, value: &str) -> Result<(), String> {
        match meaning {
            Meaning::All => self.all = true,
            Meaning::Remove => self.instead = Some(Instead::Removes),
            Meaning::Wait if !is_number(value) => {
                return Err(format!("`{value}` is no number of milliseconds"));
            }
            Meaning::FirstTime => self.first_time = true,
            Meaning::IgnoreCommands if self.soft == SoftDependencies::All => {
                self.soft = SoftDependencies::NotOfTheAsked;
            }
            Meaning::Force => {
                self.force = Force {
                    vermagic: true,
                    versions: true,
                }
            }
            Meaning::ForceModversion => self.force.versions = true,
            Meaning::ForceVermagic => self.force.vermagic = true,
            Meaning::LookUp => self.instead = self.instead.or(Some(Instead::LooksUp)),
            Meaning::Print | Meaning::PrintAndEnd => self.instead = Some(Instead::Prints),
            Meaning::Config => self.soft = SoftDependencies::None,
            Meaning::Root => self.root = Some(value.to_owned()),
            Meaning::Kernel => self.kernel = Some(value.to_owned()),
            Meaning::Wait | Meaning::IgnoreCommands | Meaning::Nothing => {}
        }
        Ok(())
    }
}

fn long_meaning(name: &str) -> Result<Meaning, String> {
    let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<Meaning> {
        let mut found: Vec<Meaning> = OPTIONS
            .iter()
            .filter(|(_, names, _)| names.iter().any(|n| wanted(n)))
            .map(|(.., m)| *m)
            .collect();
        found.dedup();
        found
    };
    if let [exact] = *named(&|n| n == name) {
        return Ok(exact);
    }
    match *named(&|n| n.starts_with(name)) {
        [one] => Ok(one),
        [] => Err(format!("it has no option --{name}")),
        _ => Err(format!("the option --{name} is ambiguous")),
    }
}

/// What C's `strtoul(…, 0)` reads to its end.
fn is_number(value: &str) -> bool {
    match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORCE: Force = Force {
        vermagic: true,
        versions: true,
    };

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn words(words: &[&str]) -> Command {
        Command {
            words: words.iter().map(|&w| w.to_owned()).collect(),
            ..Command::default()
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
    fn command_lines_are_read_as_getopt_does() {
        let root = |dir: &str, command| Command {
            root: Some(dir.to_owned()),
            ..command
        };
        for (sentence, line, command) in [
            (
                "KMM's own line",
                "-vd /tmp/opt m a=1",
                root("/tmp/opt", words(&["m", "a=1"])),
            ),
            (
                "a value may be attached",
                "-d/tmp/opt m",
                root("/tmp/opt", words(&["m"])),
            ),
            ("the last value wins", "-d /a --dirname=/b m", root("/b", words(&["m"]))),
            (
                "options stand anywhere",
                "m -f a=1",
                Command {
                    force: FORCE,
                    ..words(&["m", "a=1"])
                },
            ),
            ("but not after --", "-- m -f", words(&["m", "-f"])),
            ("a lone dash is a word", "m -", words(&["m", "-"])),
            (
                "long names may be shortened",
                "--force-v m",
                Command {
                    force: Force {
                        vermagic: true,
                        versions: false,
                    },
                    ..words(&["m"])
                },
            ),
            (
                "an exact name is not ambiguous",
                "--force m",
                Command {
                    force: FORCE,
                    ..words(&["m"])
                },
            ),
            (
                "letters are joined",
                "-qsai m",
                Command {
                    all: true,
                    soft: SoftDependencies::NotOfTheAsked,
                    ..words(&["m"])
                },
            ),
            (
                "a dry run looks up",
                "-n m",
                Command {
                    instead: Some(Instead::LooksUp),
                    ..words(&["m"])
                },
            ),
            (
                "a dry removal removes",
                "-n -r m",
                Command {
                    instead: Some(Instead::Removes),
                    ..words(&["m"])
                },
            ),
            (
                "the version ends it",
                "-V",
                Command {
                    instead: Some(Instead::Prints),
                    ..words(&[])
                },
            ),
            ("a good wait means nothing here", "-w 0x10 m", words(&["m"])),
            (
                "the rest",
                "--first-time -S 6.1 -C /x m",
                Command {
                    first_time: true,
                    kernel: Some("6.1".to_owned()),
                    soft: SoftDependencies::None,
                    ..words(&["m"])
                },
            ),
        ] {
            assert_eq!(parse(line), Ok(command), "{sentence}");
        }
    }

    #[test]
    fn what_modprobe_refuses() {
        for (sentence, line, message) in [
            ("no module", "-v", "it names no module"),
            ("an unknown letter", "-vx m", "it has no option -x (in `-vx`)"),
            ("an unknown name", "--farce m", "it has no option --farce"),
            ("an ambiguous name", "--f m", "the option --f is ambiguous"),
            ("a value too many", "--force=1 m", "the option --force takes no value"),
            ("a value missing", "m -d", "the option -d wants a value"),
            (
                "a long value missing",
                "m --dirname",
                "the option --dirname wants a value",
            ),
            (
                "a wait that is no number",
                "-w soon m",
                "`soon` is no number of milliseconds",
            ),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()), "{sentence}");
        }
    }
}
