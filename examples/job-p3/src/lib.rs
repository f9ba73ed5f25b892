//! A program of WASI 0.3, whose `run` is asynchronous: it prints its arguments, a line each, and fails without any.

use wrt_guest::wasip3::{
    self,
    cli::{environment::get_arguments, stdout::write_via_stream},
    wit_stream,
};

struct Job;

wasip3::cli::command::export!(Job);

impl wasip3::exports::cli::run::Guest for Job {
    async fn run() -> Result<(), ()> {
        let arguments = get_arguments();
        let Some((_own_name, arguments @ [_, ..])) = arguments.split_first() else {
            return Err(());
        };
        let text: String = arguments.iter().map(|line| line.clone() + "\n").collect();
        let (mut writer, output) = wit_stream::new();
        let written = write_via_stream(output);
        let left_over = writer.write_all(text.into_bytes()).await;
        drop(writer);
        match left_over.is_empty() && written.await.is_ok() {
            true => Ok(()),
            false => Err(()),
        }
    }
}
