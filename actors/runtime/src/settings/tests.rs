//! How settings are read, and what is said of those that cannot be.

use super::*;

#[derive(Debug, PartialEq, confique::Config)]
struct Options {
    #[config(env = "SERVICE_URL", default = "local")]
    url: String,
    #[config(env = "SERVICE_RETRIES", default = 3)]
    retries: u32,
    #[config(env = "SERVICE_TLS")]
    tls: Option<bool>,
    #[config(env = "SERVICE_HOSTS", default = [])]
    hosts: Vec<String>,
    #[config(env = "SERVICE_PORTS", default = [])]
    ports: Vec<u16>,
    #[config(env = "SERVICE_TOKEN")]
    token: Option<String>,
    #[config(env = "SERVICE_NAME")]
    name: String,
    #[config(env = "SERVICE_FOLDER", default = "of-{app}/")]
    folder: String,
}

fn load(table: Table, variables: &[(&str, &str)]) -> Result<Options, SettingsError> {
    let environment = |wanted: &str| {
        let mut variables = variables.iter();
        let found = variables.find(|(variable, _)| *variable == wanted);
        found.map(|(_, text)| (*text).to_owned())
    };
    Options::load(Settings {
        table,
        referred: BTreeMap::from([("token".to_owned(), Referred::Variable("TOKEN".to_owned()))]),
        environment: &environment,
        app: "shop",
    })
}

#[test]
fn a_table_stands_over_the_environment_and_that_over_the_default() {
    let variables = [
        ("SERVICE_URL", "from-environment"),
        ("SERVICE_RETRIES", "7"),
        ("SERVICE_TLS", "true"),
        ("SERVICE_HOSTS", "a, b"),
        ("SERVICE_PORTS", "80, 8080"),
        ("SERVICE_TOKEN", "12345"),
        ("SERVICE_NAME", ""),
    ];
    let options = load(
        toml::toml! {
        url = "from-table"
        name = "n"
        },
        &variables,
    );
    let options = options.expect("they are sound");
    assert_eq!(options.url, "from-table");
    assert_eq!((options.retries, options.tls), (7, Some(true)));
    assert_eq!(options.hosts, ["a", "b"]);
    assert_eq!(options.ports, [80, 8080]);
    assert_eq!(options.token.as_deref(), Some("12345"), "a text of digits");
    let options = load(
        toml::toml! {
        name = "n"
        },
        &[],
    )
    .expect("they are sound");
    assert_eq!((options.url.as_str(), options.retries), ("local", 3));
}

#[test]
fn a_list_is_of_what_its_field_takes() {
    for (variables, hosts, ports) in [
        (
            [("SERVICE_HOSTS", "1,2"), ("SERVICE_PORTS", "1")],
            &["1", "2"][..],
            &[1][..],
        ),
        (
            [("SERVICE_HOSTS", "1"), ("SERVICE_PORTS", "1,2")],
            &["1"],
            &[1, 2],
        ),
        (
            [("SERVICE_HOSTS", "1,b"), ("SERVICE_PORTS", "")],
            &["1", "b"],
            &[],
        ),
    ] {
        let table = toml::toml! { name = "n" };
        let options = load(table, &variables).expect("they are sound");
        assert_eq!(options.ports, ports, "{variables:?}");
        assert_eq!(options.hosts, hosts);
    }
}

#[test]
fn each_mistake_names_its_field_and_no_secret() {
    for (table, variables, expected) in [
        (
            toml::toml! {
            nam = "n"
            },
            &[][..],
            "there is no setting `nam`; did you mean `name`?",
        ),
        (
            toml::toml! {
            name = "n"
            retries = "many"
            },
            &[],
            "`retries`: invalid type: string \"many\", expected u32",
        ),
        (
            toml::toml! {
            name = "n"
            token = 12345
            },
            &[],
            "`token`: what the reference stands for is not of its type",
        ),
        (
            toml::toml! {
            name = "n"
            },
            &[("SERVICE_RETRIES", "hush")],
            "the environment variable SERVICE_RETRIES is set to what `retries` cannot be",
        ),
        (
            toml::toml! {
            name = "n"
            },
            &[("SERVICE_PORTS", "80,hush")],
            "the environment variable SERVICE_PORTS is set to what `ports` cannot be",
        ),
        (
            toml::toml! {
            retries = 1
            },
            &[],
            "`name` is missing: set it, or SERVICE_NAME",
        ),
    ] {
        let error = load(table, variables).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_may_come_later_is_not_missed_yet() {
    assert_eq!(
        Options::look_over(&toml::toml! {
        url = "x"
        }),
        Ok(())
    );
    assert!(
        Options::look_over(&toml::toml! {
        url = 1
        })
        .is_err()
    );
}

#[test]
fn a_default_may_name_the_app() {
    let folder = |table, variables: &[(&str, &str)]| {
        let options = load(table, variables);
        options.map(|options| options.folder)
    };
    let name = || toml::toml! { name = "n" };
    assert_eq!(folder(name(), &[]).as_deref(), Ok("of-shop/"));
    let given = folder(name(), &[("SERVICE_FOLDER", "{app}")]);
    assert_eq!(
        given.as_deref(),
        Ok("{app}"),
        "nobody's words but a default's"
    );
}
