//! Which pages may connect (RFC 6455 sections 4.2.2 and 10.2): any page in any browser could, and its user's network is
//! where the connection comes from. A program that is no browser sends no Origin, or the one it likes: who keeps pages
//! out does not keep programs out.

use std::net::IpAddr;
use std::sync::Arc;

/// The pages that may connect.
#[derive(Clone, Debug, Default)]
pub struct Origins(Rule);

#[derive(Clone, Debug, Default)]
enum Rule {
    #[default]
    Any,
    /// These alone, as browsers write them: `https://shop.example`.
    Listed(Arc<[String]>),
    /// Those of a domain and its subdomains.
    Domain(Arc<str>),
}

impl Origins {
    /// These alone, in any case; `*` among them is every page.
    #[must_use]
    pub fn listed(origins: &[String]) -> Self {
        match origins.iter().any(|origin| origin == "*") {
            true => Self(Rule::Any),
            false => Self(Rule::Listed(origins.into())),
        }
    }

    /// The pages of this domain and its subdomains, on any port; over `https` where the connection has TLS. And those of the
    /// machine itself that is connected to, where it has no name that could lead elsewhere tomorrow: it is called by its address or
    /// `localhost`.
    #[must_use]
    pub fn of_domain(domain: &str) -> Self {
        Self(Rule::Domain(domain.into()))
    }

    /// Whether a page may connect. `host`: what it says that it connects to; `secure`: by WSS; `own_pages`: there are pages
    /// here.
    pub(super) fn admit(
        &self,
        origin: Option<&str>,
        host: &str,
        secure: bool,
        own_pages: bool,
    ) -> bool {
        let Some(origin) = origin else { return true };
        match &self.0 {
            Rule::Any => true,
            Rule::Listed(origins) => origins.iter().any(|it| it.eq_ignore_ascii_case(origin)),
            Rule::Domain(domain) => {
                let Some((scheme, authority)) = parts(origin) else {
                    return false;
                };
                let page = without_port(authority);
                let of_domain = is_of(page, domain) && (scheme == "https" || !secure);
                let same_machine =
                    is_literal(page) && page.eq_ignore_ascii_case(without_port(host));
                of_domain || same_machine || (own_pages && authority.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// Scheme and authority of what a browser sends as Origin; `null` is none.
fn parts(origin: &str) -> Option<(&'static str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = ["https", "http"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(scheme))?;
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!authority.is_empty() && authority.chars().all(sound)).then_some((scheme, authority))
}

/// The host of `host:port`, also of `[2001:db8::1]:443`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    }
}

fn is_of(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match host.strip_suffix(&domain) {
        Some(rest) => rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

fn is_literal(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(origins: &Origins, origin: &str) -> bool {
        origins.admit(Some(origin), "edge.example.com", true, false)
    }

    #[test]
    fn by_default_the_pages_of_the_domain_may_connect_and_no_others() {
        let origins = Origins::of_domain("example.com");
        for (origin, may) in [
            ("https://example.com", true),
            ("https://www.example.com", true),
            ("https://a.b.example.com:8443", true),
            ("HTTPS://WWW.EXAMPLE.COM", true),
            ("http://www.example.com", false), // anyone on its way could have written it
            ("https://notexample.com", false),
            ("https://example.com.evil.example", false),
            ("https://example.org", false),
            ("https://evil.example/?https://example.com", false),
            ("https://evil.example#.example.com", false),
            ("https://evil@example.com", false),
            ("https://evil.example\\.example.com", false),
            ("https://example.com:443.evil.example", false),
            ("https://", false),
            ("https://.example.com:", true), // nobody has a name that begins with a dot
            ("null", false),
            ("", false),
            ("*", false),
            ("file://", false),
            ("chrome-extension://example.com", false),
            ("example.com", false),
        ] {
            assert_eq!(admitted(&origins, origin), may, "{origin}");
        }
        let plain = |origin| origins.admit(Some(origin), "edge.example.com", false, false);
        assert!(plain("http://www.example.com") && !plain("http://evil.example"));
    }

    #[test]
    fn a_machine_that_is_called_by_its_address_admits_its_own_pages() {
        let origins = Origins::of_domain("example.com");
        for (origin, host, may) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://localhost:3000", "localhost:8443", true),
            ("https://[::1]", "[::1]:8443", true),
            ("http://127.0.0.2:8080", "127.0.0.1:8080", false),
            ("http://localhost", "127.0.0.1", false),
            // Whoever owns a name may let it lead here.
            ("https://evil.example", "evil.example", false),
            ("https://evil.example:8443", "evil.example:8443", false),
        ] {
            assert_eq!(
                origins.admit(Some(origin), host, true, false),
                may,
                "{origin}"
            );
        }
        let own = |origin| origins.admit(Some(origin), "demo.local:8080", false, true);
        assert!(own("http://demo.local:8080") && !own("http://demo.local:9090"));
    }

    #[test]
    fn a_list_says_which_pages_may_connect_and_leaves_out_the_rest() {
        let origins = Origins::listed(&["https://shop.example".to_owned(), "null".to_owned()]);
        for (origin, may) in [
            ("https://shop.example", true),
            ("https://SHOP.example", true),
            ("null", true),
            ("https://shop.example:8443", false),
            ("http://shop.example", false),
            ("https://shop.example.evil.example", false),
            ("https://www.shop.example", false),
            ("", false),
        ] {
            assert_eq!(admitted(&origins, origin), may, "{origin}");
        }
        assert!(admitted(&Origins::listed(&["*".to_owned()]), "null"));
    }

    #[test]
    fn a_program_that_is_no_browser_sends_no_origin_and_is_let_in() {
        for origins in [Origins::of_domain("example.com"), Origins::listed(&[])] {
            assert!(origins.admit(None, "edge.example.com", true, false));
        }
    }
}
