//! The in-memory provider: bounded, and gone with its process.

mod data;
mod room;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fmt,
    ops::Bound,
    sync::Arc,
};

use futures::StreamExt as _;
use parking_lot::{Mutex, MutexGuard};
use wrt_contract::{Body, BodyFrame, CallContext, async_trait};
use wrt_protocol::Hop;
use wrt_runtime::{Backend, Serves, SettingsError, check_range};

use self::{
    data::{Data, Writing},
    room::{Room, Taken},
};
use crate::{
    Blobstore, BlobstoreError, BlobstoreInterface, ByteRange, ContainerInfo, ContainerName, Cursor,
    ObjectId, ObjectInfo, ObjectName, ObjectPage, Timestamp, WasiBlobstore,
    limits::{PAGE_NAMES_MAX, check_names},
};

/// How the in-memory provider is set up.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct MemoryConfig {
    /// Bytes of all objects together, those that are being written or still being read among them, with
    /// their names and 128 bytes for each object and container. A write beyond it is refused with
    /// [`BlobstoreError::Full`]; nothing is evicted.
    #[config(default = 67_108_864)]
    pub object_bytes_max: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            object_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// Containers in the memory of this process. Bytes that were replaced or removed stay for who reads them.
pub struct BlobstoreDefault {
    room: Arc<Room>,
    containers: Mutex<HashMap<ContainerName, Container>>,
}

struct Container {
    created_at: Timestamp,
    objects: HashMap<ObjectName, Object>,
    /// Listings go by the numbers that objects got when they came to be: these stay when an object is
    /// replaced, so a listing neither skips nor repeats one that stays.
    by_number: BTreeMap<u64, ObjectName>,
    last_number: u64,
    _room: Taken,
}

struct Object {
    number: u64,
    created_at: Timestamp,
    data: Arc<Data>,
    _room: Taken,
}

impl Container {
    fn put(&mut self, name: &ObjectName, data: Arc<Data>, room: Taken) {
        let number = match self.objects.get(name) {
            Some(object) => object.number,
            None => {
                self.last_number += 1;
                self.by_number.insert(self.last_number, name.clone());
                self.last_number
            }
        };
        let object = Object {
            number,
            created_at: now(),
            data,
            _room: room,
        };
        self.objects.insert(name.clone(), object);
    }

    fn remove(&mut self, name: &ObjectName) {
        if let Some(object) = self.objects.remove(name) {
            self.by_number.remove(&object.number);
        }
    }

    fn page(&self, after: u64) -> ObjectPage {
        let after = (Bound::Excluded(after), Bound::Unbounded);
        let mut rest = self.by_number.range(after);
        let page: Vec<_> = rest.by_ref().take(PAGE_NAMES_MAX).collect();
        let last = page.last().map(|(number, _)| Cursor(**number));
        ObjectPage {
            objects: page.into_iter().map(|(_, name)| name.clone()).collect(),
            next: last.filter(|_| rest.next().is_some()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "guests are told when something was made, and nothing is decided by it"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}

impl Backend for BlobstoreDefault {
    const NAME: &'static str = "memory";

    type ConnectOptions = MemoryConfig;
    type ConnectError = Infallible;

    async fn connect_with(config: MemoryConfig) -> Result<Self, Infallible> {
        Ok(Self::new(&config))
    }

    fn check(config: &MemoryConfig) -> Result<(), SettingsError> {
        check_range(
            "object_bytes_max",
            config.object_bytes_max,
            1..=isize::MAX as u64,
        )
    }
}

impl Serves<WasiBlobstore> for BlobstoreDefault {
    fn serve(entry: &mut wrt_runtime::Entry<Self>) {
        entry.offers::<BlobstoreInterface>(|store| store);
    }
}

impl BlobstoreDefault {
    /// An empty store.
    #[must_use]
    pub fn new(config: &MemoryConfig) -> Self {
        Self {
            room: Room::of(config.object_bytes_max),
            containers: Mutex::default(),
        }
    }

    /// What it holds, by the rules of [`MemoryConfig::object_bytes_max`].
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.room.used()
    }

    /// Works on a container that is there. A panic unlocks it: no operation leaves it half changed.
    fn on<T>(
        &self,
        name: &ContainerName,
        work: impl FnOnce(&mut Container) -> T,
    ) -> Result<T, BlobstoreError> {
        let mut containers = self.lock();
        match containers.get_mut(name) {
            Some(container) => Ok(work(container)),
            None => Err(BlobstoreError::NoSuchContainer(name.clone())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerName, Container>> {
        self.containers.lock()
    }

    fn data(&self, object: &ObjectId) -> Result<Arc<Data>, BlobstoreError> {
        let find = |container: &mut Container| {
            let found = container.objects.get(&object.object);
            found.map(|object| Arc::clone(&object.data))
        };
        self.on(&object.container, find)?
            .ok_or_else(|| object.missing())
    }

    fn put(&self, target: &ObjectId, data: Arc<Data>) -> Result<(), BlobstoreError> {
        let room = self.room.take_entry(target.object.as_str())?;
        self.on(&target.container, |container| {
            container.put(&target.object, data, room);
        })
    }
}

impl Default for BlobstoreDefault {
    fn default() -> Self {
        Self::new(&MemoryConfig::default())
    }
}

impl fmt::Debug for BlobstoreDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobstoreDefault")
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Blobstore for BlobstoreDefault {
    async fn create_container(
        &self,
        _context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let mut containers = self.lock();
        if !containers.contains_key(container) {
            let made = Container {
                created_at: now(),
                objects: HashMap::new(),
                by_number: BTreeMap::new(),
                last_number: 0,
                _room: self.room.take_entry(container.as_str())?,
            };
            containers.insert(container.clone(), made);
        }
        Ok(())
    }

    async fn container_info(
        &self,
        _context: &CallContext,
        container: &ContainerName,
    ) -> Result<ContainerInfo, BlobstoreError> {
        let created_at = self.on(container, |container| container.created_at)?;
        Ok(ContainerInfo { created_at })
    }

    async fn delete_container(
        &self,
        _context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let removed = self.lock().remove(container);
        drop(removed);
        Ok(())
    }

    async fn copy_object(
        &self,
        _context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        let data = self.data(source)?;
        match source == target {
            true => Ok(()),
            false => self.put(target, data),
        }
    }

    async fn move_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        self.copy_object(context, source, target).await?;
        if source != target {
            self.on(&source.container, |container| {
                container.remove(&source.object);
            })?;
        }
        Ok(())
    }

    async fn get_data(
        &self,
        _context: &CallContext,
        object: &ObjectId,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError> {
        let data = self.data(object)?;
        let range = range.of_size(data.size_bytes());
        Ok(data.body(range))
    }

    async fn write_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        mut data: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        // Nobody writes a gigabyte to hear then that there is no such container.
        self.on(&object.container, |_| ())?;
        let write = async {
            let mut writing = Writing::into_room(&self.room);
            while let Some(frame) = data.next().await {
                if let BodyFrame::Data(bytes) = frame? {
                    writing.push(&bytes)?;
                }
            }
            Ok::<_, BlobstoreError>(writing.finish())
        };
        let data = context.bound(Hop::Backend, write).await??;
        self.put(object, Arc::new(data))
    }

    async fn list_objects(
        &self,
        _context: &CallContext,
        container: &ContainerName,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError> {
        let after = cursor.map_or(0, |cursor| cursor.0);
        self.on(container, |container| container.page(after))
    }

    async fn delete_objects(
        &self,
        _context: &CallContext,
        container: &ContainerName,
        objects: &[ObjectName],
    ) -> Result<(), BlobstoreError> {
        check_names(objects)?;
        self.on(container, |container| {
            objects.iter().for_each(|object| container.remove(object));
        })
    }

    async fn object_info(
        &self,
        _context: &CallContext,
        object: &ObjectId,
    ) -> Result<ObjectInfo, BlobstoreError> {
        let find = |container: &mut Container| {
            let found = container.objects.get(&object.object);
            found.map(|object| ObjectInfo {
                created_at: object.created_at,
                size_bytes: object.data.size_bytes(),
            })
        };
        self.on(&object.container, find)?
            .ok_or_else(|| object.missing())
    }

    async fn clear(
        &self,
        _context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        self.on(container, |container| {
            container.objects.clear();
            container.by_number.clear();
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wrt_protocol::{Fault, FaultKind};

    use super::{room::ENTRY_OVERHEAD_BYTES, *};

    async fn write(
        store: &BlobstoreDefault,
        object: &ObjectId,
        bytes: usize,
    ) -> Result<(), BlobstoreError> {
        let body = Body::whole(Bytes::from(vec![7; bytes]));
        let context = CallContext::default();
        store.write_data(&context, object, body).await
    }

    #[tokio::test]
    async fn a_full_store_refuses_and_has_room_again_when_nobody_reads_any_more() {
        let object_bytes_max = 3 * (ENTRY_OVERHEAD_BYTES + 1) + 1000;
        let store = BlobstoreDefault::new(&MemoryConfig { object_bytes_max });
        let context = CallContext::default();
        let [a, b] = ["a", "b"].map(|object| ObjectId::new("c", object).unwrap());
        store
            .create_container(&context, &a.container)
            .await
            .unwrap();
        let empty = store.bytes_used();
        write(&store, &a, 600).await.unwrap();
        let refused = write(&store, &b, 600).await;
        assert!(
            matches!(refused, Err(BlobstoreError::Full(_))),
            "{refused:?}"
        );
        let reading = store
            .get_data(&context, &a, ByteRange::WHOLE)
            .await
            .unwrap();
        store.clear(&context, &a.container).await.unwrap();
        let refused = write(&store, &b, 600).await;
        assert!(refused.is_err(), "somebody still reads what was there");
        assert_eq!(reading.collect(600).await.unwrap().len(), 600);
        write(&store, &b, 600).await.unwrap();
        store.clear(&context, &a.container).await.unwrap();
        assert_eq!(store.bytes_used(), empty);
    }

    #[tokio::test]
    async fn a_write_that_breaks_off_takes_no_room() {
        let store = BlobstoreDefault::default();
        let context = CallContext::default();
        let object = ObjectId::new("c", "o").unwrap();
        store
            .create_container(&context, &object.container)
            .await
            .unwrap();
        let before = store.bytes_used();
        let gone = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        let frames = [
            Ok(BodyFrame::Data(Bytes::from(vec![0; 1 << 20]))),
            Err(BlobstoreError::Fault(gone)),
        ];
        let body = Body::new(None, futures::stream::iter(frames));
        let written = store.write_data(&context, &object, body).await;
        assert!(
            matches!(written, Err(BlobstoreError::Fault(_))),
            "{written:?}"
        );
        assert_eq!(store.bytes_used(), before);
    }
}
