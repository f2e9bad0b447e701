//! A centre in a process of its own: `centre [address] [data folder]`. Ends on Ctrl-C.

use std::net::SocketAddr;

use sd_registry::Registry;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:7070").parse()?;
    let mut builder = Registry::builder().listen(address);
    if let Some(folder) = arguments.next() {
        builder = builder.data(folder);
    }
    let centre = builder.spawn().await?;
    println!("{}", centre.http_url());
    tokio::signal::ctrl_c().await?;
    centre.shutdown().await?;
    Ok(())
}
