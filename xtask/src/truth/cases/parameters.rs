//! Parameters: known, unknown, malformed (`kernel/params.c: parse_args`, `param_set_*`).

use super::{Case, Kernel};

/// Words after the module's name, by a name for the case.
const WORDS: [(&str, &[&str]); 91] = [
    ("none", &[]),
    ("unknown", &["no_such_parameter=1"]),
    ("unknown-without-value", &["no_such_parameter"]),
    ("two", &["p_int=1", "p_bool=y"]),
    ("the-same-twice", &["p_int=1", "p_int=2"]),
    ("the-same-twice-second-bad", &["p_int=1", "p_int=x"]),
    ("dash-for-underscore", &["p-int=1"]),
    ("upper-case", &["P_INT=1"]),
    ("of-another-module", &["other.p_int=1"]),
    ("with-module-prefix", &["params.p_int=1"]),
    ("dyndbg", &["dyndbg=+p"]),
    ("async-probe", &["async_probe"]),
    ("two-dashes", &["--", "p_int=1"]),
    ("space-in-value", &["p_charp=a b"]),
    ("space-in-value-then-bad", &["p_charp=a p_int=x"]),
    ("quoted-space", &["p_charp=\"a b\""]),
    ("quote-open", &["p_charp=\"a b"]),
    ("quoted-all", &["\"p_charp=a b\""]),
    ("equals-in-value", &["p_charp=a=b"]),
    ("value-with-newline-escape", &["p_charp=a\\nb"]),
    ("empty-name", &["=1"]),
    ("byte-0", &["p_byte=0"]),
    ("byte-255", &["p_byte=255"]),
    ("byte-256", &["p_byte=256"]),
    ("byte-minus", &["p_byte=-1"]),
    ("byte-hex", &["p_byte=0x7f"]),
    ("byte-empty", &["p_byte="]),
    ("byte-no-value", &["p_byte"]),
    ("short-low", &["p_short=-32768"]),
    ("short-high", &["p_short=32767"]),
    ("short-too-high", &["p_short=32768"]),
    ("short-letter", &["p_short=x"]),
    ("ushort-high", &["p_ushort=65535"]),
    ("ushort-too-high", &["p_ushort=65536"]),
    ("int-minus", &["p_int=-1"]),
    ("int-plus", &["p_int=+1"]),
    ("int-octal", &["p_int=010"]),
    ("int-bad-octal", &["p_int=08"]),
    ("int-hex", &["p_int=0x10"]),
    ("int-hex-upper", &["p_int=0XFF"]),
    ("int-hex-alone", &["p_int=0x"]),
    ("int-too-high", &["p_int=2147483648"]),
    ("int-lowest", &["p_int=-2147483648"]),
    ("int-suffix", &["p_int=1k"]),
    ("int-letter-o", &["p_int=1O"]),
    ("int-point", &["p_int=1.0"]),
    ("int-empty", &["p_int="]),
    ("int-no-value", &["p_int"]),
    ("int-two-minus", &["p_int=--1"]),
    ("int-quoted", &["p_int=\"1\""]),
    ("uint-high", &["p_uint=4294967295"]),
    ("uint-too-high", &["p_uint=4294967296"]),
    ("uint-minus", &["p_uint=-1"]),
    ("uint-plus", &["p_uint=+1"]),
    ("long-lowest", &["p_long=-9223372036854775808"]),
    ("long-too-high", &["p_long=9223372036854775808"]),
    ("ulong-high", &["p_ulong=18446744073709551615"]),
    ("ulong-too-high", &["p_ulong=18446744073709551616"]),
    ("ullong-minus", &["p_ullong=-1"]),
    ("hexint-hex", &["p_hexint=0xff"]),
    ("hexint-decimal", &["p_hexint=255"]),
    ("hexint-bare", &["p_hexint=ff"]),
    ("charp", &["p_charp=anything"]),
    ("charp-empty", &["p_charp="]),
    ("charp-no-value", &["p_charp"]),
    ("bool-1", &["p_bool=1"]),
    ("bool-y", &["p_bool=y"]),
    ("bool-yes", &["p_bool=yes"]),
    ("bool-on", &["p_bool=on"]),
    ("bool-off", &["p_bool=off"]),
    ("bool-o", &["p_bool=o"]),
    ("bool-true", &["p_bool=true"]),
    ("bool-capital-t", &["p_bool=T"]),
    ("bool-no-value", &["p_bool"]),
    ("bool-2", &["p_bool=2"]),
    ("bool-maybe", &["p_bool=maybe"]),
    ("bool-empty", &["p_bool="]),
    ("invbool-n", &["p_invbool=N"]),
    ("invbool-bad", &["p_invbool=x"]),
    ("invbool-no-value", &["p_invbool"]),
    ("enable-only-1", &["p_bool_enable_only=1"]),
    ("enable-only-0", &["p_bool_enable_only=0"]),
    ("enable-only-bad", &["p_bool_enable_only=x"]),
    ("array-one", &["p_array=1"]),
    ("array-four", &["p_array=1,2,3,4"]),
    ("array-bad", &["p_array=1,x"]),
    ("array-empty", &["p_array="]),
    ("array-empty-last", &["p_array=1,"]),
    ("array-five", &["p_array=1,2,3,4,5"]),
    ("string-full", &["p_string=1234567"]),
    ("string-too-long", &["p_string=12345678"]),
];

/// The same for the module `limited`: two numbers, two words, one switch, and a text of three bytes.
const LIMITED: [(&str, &[&str]); 24] = [
    ("numbers-full", &["numbers=1,2"]),
    ("numbers-one-too-many", &["numbers=1,2,3"]),
    ("numbers-empty-last", &["numbers=1,2,"]),
    ("numbers-bad-beyond", &["numbers=1,2,x"]),
    ("numbers-empty", &["numbers="]),
    ("numbers-no-value", &["numbers"]),
    ("words-full", &["words=a,b"]),
    ("words-one-too-many", &["words=a,b,c"]),
    ("words-empty", &["words="]),
    ("words-empty-last", &["words=a,"]),
    ("words-comma", &["words=,"]),
    ("words-two-commas", &["words=,,"]),
    ("words-empty-beyond", &["words=a,b,"]),
    ("words-quoted", &["words=\"a b,c d\""]),
    ("words-quoted-too-many", &["words=\"a b,c d,e\""]),
    ("switch-full", &["only_one=y"]),
    ("switch-one-too-many", &["only-one=y,n"]),
    ("switch-true-too-many", &["only_one=true,true"]),
    ("text-full", &["text=abc"]),
    ("text-too-long", &["text=abcd"]),
    ("text-empty", &["text="]),
    ("text-comma", &["text=a,b"]),
    ("text-quoted-full", &["text=\"a b\""]),
    ("text-two-letters-too-long", &["text=\u{fc}\u{fc}"]),
];

/// Those of them that are asked of the stripped module, too.
const STRIPPED: [&str; 5] = [
    "numbers-full",
    "numbers-one-too-many",
    "words-empty-beyond",
    "text-full",
    "text-too-long",
];

/// The same for the module `untold`, of whose parameters modinfo says nothing, and tells of one that is not there.
const UNTOLD: [(&str, &[&str]); 10] = [
    ("number", &["number=1"]),
    ("number-bad", &["number=x"]),
    ("number-no-value", &["number"]),
    ("switch-no-value", &["on_off"]),
    ("switch-bad", &["on_off=x"]),
    ("bytes-full", &["bytes=1,255"]),
    ("bytes-bad", &["bytes=1,256"]),
    ("bytes-one-too-many", &["bytes=1,2,3"]),
    ("own-too-many", &["own=a,b,c"]),
    ("described-only", &["described_only=x"]),
];

/// What a parser of the module's own says.
const CODE: &str = "only the module's own code knows";
const OUT_OF_REACH: [(&str, &[&str]); 2] = [("own-parser-odd", &["p_even=3"]), ("own-parser-letter", &["p_even=x"])];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let params = kernel.ko("params")?;
    let of = |(name, words): &(&'static str, &[&str])| kernel.case(*name).ko(params.clone()).parameters(words);
    let mut cases: Vec<Case> = WORDS.iter().map(of).collect();
    cases.extend(OUT_OF_REACH.iter().map(|row| of(row).out_of_reach(CODE)));
    let long = |name: &str, length: usize| {
        let value = format!("p_charp={}", "x".repeat(length));
        kernel.case(name.to_owned()).ko(params.clone()).parameters(&[&value])
    };
    cases.extend([
        long("charp-1024", 1024),
        long("charp-1025", 1025),
        long("charp-3000", 3000),
        kernel
            .case("module-declares-none")
            .ko(kernel.ko("params_none")?)
            .parameters(&["p_int=1"]),
        kernel
            .case("type-altered")
            .ko(params.clone().with_modinfo("parmtype", "p_int:charp"))
            .parameters(&["p_int=x"]),
    ]);
    cases.extend(limited(kernel)?);
    let untold = kernel.ko("untold")?;
    cases.extend(UNTOLD.iter().map(|(name, words)| {
        let case = kernel.case(format!("untold-{name}")).ko(untold.clone());
        case.parameters(words)
    }));
    Ok(cases)
}

/// As it was compiled; and without the symbols that nobody needs, by which nobody could find how much it takes.
fn limited(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let (whole, stripped) = (kernel.ko("limited")?, kernel.ko("limited_stripped")?.named("limited"));
    let whole = LIMITED.iter().map(|(name, words)| {
        kernel
            .case(format!("limited-{name}"))
            .ko(whole.clone())
            .parameters(words)
    });
    let stripped = LIMITED
        .iter()
        .filter(|(name, _)| STRIPPED.contains(name))
        .map(|(name, words)| {
            let case = kernel.case(format!("limited-stripped-{name}"));
            case.ko(stripped.clone()).parameters(words)
        });
    Ok(whole.chain(stripped).collect())
}
