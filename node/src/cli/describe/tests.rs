use wrt_deployment::{
    ConfigValue, DesiredProvider, DesiredTarget, Reference, Revision, StoredApp, VariableReference,
};
use wrt_protocol::{
    Epoch, NodeMicros,
    heartbeat::{Heartbeat, NodeState},
};

use super::*;

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// A store whose password is in its URL, and one that is found elsewhere.
fn shop() -> DesiredApp {
    let mut app = DesiredApp::empty(name("shop"));
    let mut store = DesiredProvider::new("redis");
    let plain = ConfigValue::Text("redis://:hush@here".to_owned());
    let variable = Reference::Variable(VariableReference {
        env: "TOKEN".to_owned(),
    });
    store.config.0.insert("url".to_owned(), plain);
    store
        .config
        .0
        .insert("token".to_owned(), ConfigValue::Reference(variable));
    app.providers.insert(name("store"), store);
    let mut web = DesiredProvider::new("http-server");
    web.address = Some("127.0.0.1:80".to_owned());
    web.calls = vec![DesiredTarget {
        component: name("cart"),
        selection: Default::default(),
    }];
    app.providers.insert(name("web"), web);
    app
}

/// The shop, on two nodes, one of which is called as the app is.
async fn scene() -> Scene {
    let stored = StoredApp {
        revision: Revision(7),
        app: shop(),
    };
    let node = |name: &str| NodeId::new(name).unwrap();
    let seen = |id: &str| {
        let beat = Heartbeat {
            node: node(id),
            epoch: Epoch(3),
            sequence: 1,
            sent_at: NodeMicros(0),
            interval_ms: 60_000,
            state: NodeState::Serving,
            version: "0.1.0".to_owned(),
            labels: vec![("zone".to_owned(), "\u{1b}[2J".to_owned())],
            replicas: Vec::new(),
        };
        SeenNode::new(beat, None)
    };
    Scene {
        desired: Snapshot {
            apps: BTreeMap::from([(name("shop"), stored)]),
            ..Snapshot::default()
        },
        members: Vec::new(),
        nodes: ["a", "shop"].map(|id| (node(id), seen(id))).into(),
        statuses: BTreeMap::new(),
    }
}

#[tokio::test]
async fn what_is_meant_is_found_or_asked_for() {
    let scene = scene().await;
    let meant = |text: &str| {
        scene
            .meant(text)
            .map_err(|failure| failure.error.to_string())
    };
    let store: ActorAddress = "provider/shop/store".parse().unwrap();
    assert_eq!(meant("a"), Ok(Meant::Node(NodeId::new("a").unwrap())));
    assert_eq!(meant("app/shop"), Ok(Meant::App(name("shop"))));
    assert_eq!(
        meant("node/shop"),
        Ok(Meant::Node(NodeId::new("shop").unwrap()))
    );
    assert_eq!(meant("shop/store"), Ok(Meant::Actor(store.clone())));
    assert_eq!(meant("provider/shop/store"), Ok(Meant::Actor(store)));
    let told = meant("shop").unwrap_err();
    assert!(told.contains("app/shop or node/shop"), "{told}");
    let told = meant("shup").unwrap_err();
    assert!(told.contains("did you mean shop?"), "{told}");
    assert!(
        meant("shop/stare")
            .unwrap_err()
            .contains("did you mean provider/shop/store?")
    );
}

/// Any of them may be a secret, and an operator of a node writes what he likes into a label.
#[tokio::test]
async fn settings_are_named_and_not_told_and_labels_move_no_cursor() {
    let scene = scene().await;
    let store = actor::describe(&scene, &"provider/shop/store".parse().unwrap()).unwrap();
    let all = format!("{}{}", store.text, store.json);
    assert!(!all.contains("hush"), "{all}");
    assert_eq!(
        store.json["config"],
        serde_json::json!({ "url": "set", "token": "env TOKEN" })
    );
    assert_eq!(
        (&store.json["revision"], &store.json["wanted"]),
        (&7.into(), &1.into())
    );
    let node = node::describe(&scene, &NodeId::new("a").unwrap());
    assert!(node.text.contains("zone=\\u{1b}[2J"), "{}", node.text);
    assert_eq!(node.json["state"], "serving");
}
