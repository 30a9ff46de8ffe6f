//! The `Authorization` header of a signed request.

/// How a signed request begins.
pub(in crate::auth) const SCHEME: &str = "AWS4-HMAC-SHA256";

/// Its parts, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    /// Who signed.
    pub(super) access_key: &'a str,
    /// The day of the scope, `YYYYMMDD`.
    pub(super) date: &'a str,
    /// The region of the scope.
    pub(super) region: &'a str,
    /// The service of the scope.
    pub(super) service: &'a str,
    /// The names of the signed headers, joined by `;`.
    pub(super) signed_headers: &'a str,
    /// In hexadecimal.
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads a header; `None` if a part is missing, there twice, or of another form.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let parts = header.strip_prefix(SCHEME)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() || value.is_empty() {
                return None;
            }
        }
        let mut scope = credential?.rsplitn(5, '/');
        let terminator = scope.next()?;
        let (service, region, date) = (scope.next()?, scope.next()?, scope.next()?);
        let access_key = scope.next().filter(|key| !key.is_empty())?;
        (terminator == "aws4_request").then_some(Authorization {
            access_key,
            date,
            region,
            service,
            signed_headers: signed_headers?,
            signature: signature?,
        })
    }

    /// Whether a header is covered by the signature.
    pub(super) fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|other| other == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_after_commas_do_not_matter_and_anything_else_does() {
        let good = "AWS4-HMAC-SHA256 Credential=AK/20260101/r/appsync/aws4_request, SignedHeaders=a;b, Signature=00";
        let parsed = Authorization::parse(good).expect("a header");
        assert_eq!((parsed.access_key, parsed.date), ("AK", "20260101"));
        assert_eq!(Authorization::parse(&good.replace(", ", ",")), Some(parsed));
        for (from, to) in [
            ("Signature=00", "Signature="),
            (", Signature=00", ""),
            ("Signature=00", "Signature=00, Signature=01"),
            ("Signature=00", "Signature=00, Other=1"),
            ("aws4_request", "aws5_request"),
            ("AK/", "/"),
            ("AK/20260101/r/", "AK/r/"),
            ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        ] {
            let wrong = good.replace(from, to);
            assert_eq!(Authorization::parse(&wrong), None, "{wrong}");
        }
    }
}
