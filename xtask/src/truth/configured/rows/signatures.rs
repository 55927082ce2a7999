//! Signatures where they are enforced, where algorithms are missing, and where nobody checks them.

use super::{ALGORITHM, NO_CHECK, Row, Shelf};
use crate::truth::case::{Boot, Case};

impl Shelf<'_> {
    /// Where signatures are enforced by configuration alone: nobody tells check to.
    pub(super) fn enforced(&self, source: &'static str) -> anyhow::Result<Vec<Row>> {
        let by = |key: &str, digest: &str| self.kernel.signed(self.plain.clone(), key, digest);
        let ours = by("trusted", "sha256")?;
        let altered = ours.clone().altered_after_signing();
        let signed = |name: &str| self.kernel.signed(self.kernel.ko(name)?, "trusted", "sha256");
        let told = |case: Case| case.boot(Boot::Trusting);
        let unsigned_dependency = self.of(signed("importer")?).ko(self.exporter.clone());
        Ok(vec![
            Row::refused("unsigned", told(self.plain()), source).saying("has CONFIG_"),
            Row::refused("unsigned-and-no-certificate-told", self.plain(), source).saying("has CONFIG_"),
            Row::loads("by-us", told(self.of(ours.clone())), source),
            Row::loads("by-us-sha512", told(self.of(by("trusted", "sha512")?)), source),
            Row::refused("by-us-altered", told(self.of(altered)), source),
            Row::refused("by-us-forced", told(self.of(ours).args(&["-f"])), source),
            Row::refused("by-a-foreign-key", told(self.of(by("other", "sha256")?)), source).saying("has CONFIG_"),
            Row::refused("dependency-unsigned", told(unsigned_dependency), source),
        ])
    }

    pub(super) fn few_algorithms(&self) -> anyhow::Result<Vec<Row>> {
        let by = |key: &str, digest: &str| -> anyhow::Result<Case> {
            let case = self.of(self.kernel.signed(self.plain.clone(), key, digest)?);
            Ok(case.boot(Boot::Trusting))
        };
        Ok(vec![
            Row::loads("by-us", by("trusted", "sha256")?, ALGORITHM),
            Row::refused("sha512", by("trusted", "sha512")?, ALGORITHM).saying("CONFIG_CRYPTO_SHA512"),
            Row::refused("sha384", by("trusted", "sha384")?, ALGORITHM).saying("CONFIG_CRYPTO_SHA512"),
            Row::refused("elliptic", by("elliptic", "sha256")?, ALGORITHM).saying("CONFIG_CRYPTO_ECDSA"),
        ])
    }

    /// Without CONFIG_MODULE_SIG a signature is some bytes behind the module.
    pub(super) fn unchecked(&self) -> anyhow::Result<Vec<Row>> {
        let ours = self.kernel.signed(self.plain.clone(), "trusted", "sha256")?;
        let altered = ours.clone().altered_after_signing();
        let rows = [
            ("unsigned", self.plain.clone()),
            ("by-us", ours),
            ("by-us-altered", altered),
            ("malformed", self.plain.clone().with_message(b"no message")),
        ];
        let row = |(name, ko)| Row::loads(name, self.of(ko).boot(Boot::Trusting), NO_CHECK);
        Ok(rows.into_iter().map(row).collect())
    }
}
