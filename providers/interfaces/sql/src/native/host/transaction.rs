//! A guest's transaction.

use wasmtime::component::Resource;
use wrt_host::InstanceState;

use super::{
    bindings::wrt::sql::databases,
    error::HostError,
    handles::{RowStream, Transaction, hold},
};
use crate::native::rows_body::RowsReader;
use crate::{Command, Rows, Savepoint, Value};

impl databases::HostTransaction for InstanceState {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Rows, HostError> {
        let (database, lease) = self.table().get(&transaction)?.parts();
        let command = Command { text, parameters };
        let context = self.context().clone();
        Ok(database.query_in(&context, &lease, &command).await?)
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<u64, HostError> {
        let (database, lease) = self.table().get(&transaction)?.parts();
        let command = Command { text, parameters };
        let context = self.context().clone();
        Ok(database.execute_in(&context, &lease, &command).await?)
    }

    async fn stream(
        &mut self,
        transaction: Resource<Transaction>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Resource<RowStream>, HostError> {
        let (database, lease) = self.table().get(&transaction)?.parts();
        let command = Command { text, parameters };
        let context = self.context().clone();
        let (columns, body) = database.stream_in(&context, &lease, &command).await?;
        hold(self, RowStream::of(columns, RowsReader::of(body)))
    }

    async fn savepoint(
        &mut self,
        transaction: Resource<Transaction>,
        name: String,
    ) -> Result<(), HostError> {
        mark(self, &transaction, Savepoint::Set, &name).await
    }

    async fn rollback_to(
        &mut self,
        transaction: Resource<Transaction>,
        name: String,
    ) -> Result<(), HostError> {
        mark(self, &transaction, Savepoint::RollbackTo, &name).await
    }

    async fn release(
        &mut self,
        transaction: Resource<Transaction>,
        name: String,
    ) -> Result<(), HostError> {
        mark(self, &transaction, Savepoint::Release, &name).await
    }

    async fn commit(&mut self, transaction: Resource<Transaction>) -> Result<(), HostError> {
        let (database, lease) = self.table().delete(transaction)?.into_parts();
        Ok(database.commit(&self.context().clone(), &lease).await?)
    }

    async fn rollback(&mut self, transaction: Resource<Transaction>) -> Result<(), HostError> {
        let (database, lease) = self.table().delete(transaction)?.into_parts();
        Ok(database.rollback(&self.context().clone(), &lease).await?)
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table().delete(transaction)?;
        Ok(())
    }
}

async fn mark(
    state: &mut InstanceState,
    transaction: &Resource<Transaction>,
    what: Savepoint,
    name: &str,
) -> Result<(), HostError> {
    let (database, lease) = state.table().get(transaction)?.parts();
    let context = state.context().clone();
    Ok(database.savepoint(&context, &lease, &what, name).await?)
}
