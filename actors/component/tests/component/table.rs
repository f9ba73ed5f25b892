//! `test:table/rows` as an interface of the lattice, written as anybody would.

use std::sync::Arc;

use wasmtime::component::Linker;
use wrt_contract::{CallContext, Gate, Interface, LocalDirectory, Offer, async_trait, interface};
use wrt_host::{Host, InstanceState, Instances, Package, guest_fault};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, Name};

const WIT: &str = "test:table/rows";

/// A number to look up.
#[interface(name = "test:table", error = Fault)]
pub trait Table {
    /// The number.
    #[operation(idempotent)]
    async fn look_up(&self, context: &CallContext) -> Result<u32, Fault>;
}

/// Whoever knows the number.
pub struct Answers(pub u32);

#[async_trait]
impl Table for Answers {
    async fn look_up(&self, _: &CallContext) -> Result<u32, Fault> {
        Ok(self.0)
    }
}

/// The package.
#[derive(Debug)]
pub struct TestTable;

impl Host for TestTable {
    fn describe(package: &mut Package) {
        package.imports::<TableInterface>(&[WIT]);
        package.exports::<TableInterface>(&[WIT], |instances, gate| {
            let component = Arc::new(TableComponent(instances));
            Ok(Some(Offer::new::<TableInterface>(component, gate)))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        linker
            .instance(WIT)?
            .func_wrap_async("look-up", |store, (): ()| {
                let context = store.data().context().clone();
                let table = store.data().link::<TableInterface>("default");
                Box::new(async move {
                    let table = table.ok_or_else(|| {
                        Fault::not_executed(FaultKind::Unavailable, Hop::Route, "no link")
                    })?;
                    Ok((table.look_up(&context).await?,))
                })
            })
    }
}

struct TableComponent(Arc<dyn Instances>);

#[async_trait]
impl Table for TableComponent {
    async fn look_up(&self, context: &CallContext) -> Result<u32, Fault> {
        let pre = self.0.instance_pre().clone();
        let called = self.0.prepare(context).call(move |mut lent| async move {
            let instance = lent.instance(&pre).await?;
            let rows = instance.get_export_index(&mut lent, None, WIT);
            let look_up = instance.get_export_index(&mut lent, rows.as_ref(), "look-up");
            let look_up = look_up.expect("it exports that");
            let look_up = instance.get_typed_func::<(), (u32,)>(&mut lent, look_up)?;
            let answer = look_up.call_async(&mut lent, ()).await?;
            lent.keep();
            Ok(answer)
        });
        let called: wasmtime::Result<_> = called.await;
        called
            .map(|(number,)| number)
            .map_err(|error| guest_fault(&error))
    }
}

/// What the component behind `instances` offers, as its node's links have it.
pub fn offered(
    package: &Package,
    instances: Arc<dyn Instances>,
    gate: &Arc<Gate>,
) -> Arc<dyn Table> {
    let offer = (package.exported()[0].offer)(instances, gate)
        .unwrap()
        .unwrap();
    let directory = LocalDirectory::default();
    let name = |text| Name::new(text).unwrap();
    let actor = ActorAddress::component(name("app"), name("guest"));
    offer.install(&directory, &actor);
    let replica = directory.slot::<TableInterface>(&actor).get().unwrap();
    TableInterface::guarded(Arc::clone(replica.object()), Arc::clone(replica.gate()))
}
