//! The address of a scheduler, as `df://HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The address of a scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A host name or an IP address in URL notation: IPv6 in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The default port of a scheduler; Ballista's own.
pub(crate) const SCHEDULER_PORT: u16 = 50050;

/// A text that is not a scheduler's address.
#[derive(Debug, thiserror::Error)]
#[error("invalid scheduler address {text:?}: expected df://HOST:PORT, such as df://127.0.0.1:{SCHEDULER_PORT}")]
pub(crate) struct NoAddress {
    text: String,
}

impl Address {
    /// The URL for Ballista's client.
    pub(crate) fn http(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "df://{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no_address = || NoAddress { text: text.to_owned() };
        let url = Url::parse(text).map_err(|_| no_address())?;
        let bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
        match url.host_str() {
            Some(host) if url.scheme() == "df" && bare && url.query().is_none() && url.fragment().is_none() => {
                Ok(Self { host: host.to_owned(), port: url.port().unwrap_or(SCHEDULER_PORT) })
            }
            _ => Err(no_address()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for (text, expected) in [
            ("df://127.0.0.1:6000", "df://127.0.0.1:6000"),
            ("df://scheduler.example", "df://scheduler.example:50050"),
            ("df://[::1]:7/", "df://[::1]:7"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), expected);
        }
        for bad in
            ["", "127.0.0.1:6000", "http://127.0.0.1:6000", "df://", "df://a:b", "df://a:1/x", "df://u@a:1", "df://a?x"]
        {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("df://HOST:PORT"), "{error}");
        }
    }
}
