//! Makes Rust of proto/book.proto. `protox` reads it instead of `protoc`, which a fresh machine doesn't have.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/book.proto");
    let files = protox::compile(["book.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
