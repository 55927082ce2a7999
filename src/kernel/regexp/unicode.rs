//! Unicode properties that Go knows: `\pL`, `\p{Greek}`, `\P{^Lu}` (`regexp/syntax: parseUnicodeClass`).
//!
//! Go knows general categories, their long names and scripts, and no other property. Names are compared
//! without regard to case, `_`, `-` and blanks, as Go does since 1.25.

use super::class::NOTHING;
use super::scanner::Scanner;
use super::{RegexpError, RegexpErrorKind};

/// Takes a property, if one comes next.
pub(super) fn take_property(scanner: &mut Scanner<'_>) -> Result<Option<String>, RegexpError> {
    let start = *scanner;
    let mut negated = match () {
        () if scanner.take(r"\p") => false,
        () if scanner.take(r"\P") => true,
        () => return Ok(None),
    };
    let mut name = take_name(scanner).ok_or_else(|| RegexpErrorKind::CharRange.at(start.rest()))?;
    if let Some(bare) = name.strip_prefix('^') {
        negated = !negated;
        name = bare;
    }
    let property = property(name).ok_or_else(|| RegexpErrorKind::CharRange.at(scanner.since(start)))?;
    Ok(Some(format!("[{}{property}]", if negated { "^" } else { "" })))
}

/// A single letter, or whatever stands in braces.
fn take_name<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    if scanner.take("{") {
        return scanner.take_until("}");
    }
    let start = *scanner;
    scanner.next()?;
    Some(scanner.since(start))
}

/// The property in the words of the `regex` crate, which compares names as loosely, and has no surrogates.
fn property(name: &str) -> Option<String> {
    let wanted = canonical(name);
    let known = |list: &'static str| list.split_ascii_whitespace().find(|known| canonical(known) == wanted);
    if let Some(special) = known(SPECIAL) {
        return Some(format!(r"\p{{{special}}}"));
    }
    if known(SURROGATES).is_some() {
        return Some(NOTHING.to_owned());
    }
    let category = known(CATEGORIES).map(|category| format!(r"\p{{gc={category}}}"));
    category.or_else(|| known(SCRIPTS).map(|script| format!(r"\p{{sc={script}}}")))
}

fn canonical(name: &str) -> String {
    name.chars()
        .filter(|c| !['_', '-', ' '].contains(c))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

const SPECIAL: &str = "Any Assigned ASCII";

const SURROGATES: &str = "Cs Surrogate";

/// Go's `unicode.Categories` and `unicode.CategoryAliases`, without the surrogates.
const CATEGORIES: &str = "
    C Cc Cf Cn Co L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
    Cased_Letter Close_Punctuation Combining_Mark Connector_Punctuation Control Currency_Symbol Dash_Punctuation
    Decimal_Number Enclosing_Mark Final_Punctuation Format Initial_Punctuation Letter Letter_Number
    Line_Separator Lowercase_Letter Mark Math_Symbol Modifier_Letter Modifier_Symbol Nonspacing_Mark Number
    Open_Punctuation Other Other_Letter Other_Number Other_Punctuation Other_Symbol Paragraph_Separator
    Private_Use Punctuation Separator Space_Separator Spacing_Mark Symbol Titlecase_Letter Unassigned
    Uppercase_Letter cntrl digit punct
";

/// Go's `unicode.Scripts`. (Go 1.25 and 1.26 miss those with an underscore, by a defect.)
const SCRIPTS: &str = "
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
    Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra
    Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati
    Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
    Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari
    Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic
    Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage
    Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan
    Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri
    Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan
    Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
";
