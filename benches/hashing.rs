//! SHA-256 over bytes in memory, through a reader and of a file.

// criterion_group! makes a public function without a doc line.
#![allow(missing_docs)]

use std::hint::black_box;
use std::io;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use longqa::digest::{Digest, DigestReader};

const BYTES: usize = 16 << 20;

fn hashing(criterion: &mut Criterion) {
    let data: Vec<u8> = (0..BYTES).map(|index| (index * 31) as u8).collect();
    let mut group = criterion.benchmark_group("sha256");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(20);
    group.bench_function("memory", |bencher| bencher.iter(|| Digest::of_bytes(black_box(&data))));
    group.bench_function("reader", |bencher| {
        bencher.iter(|| {
            let mut reader = DigestReader::new(black_box(data.as_slice()));
            io::copy(&mut reader, &mut io::sink()).unwrap();
            reader.digest()
        });
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &data).unwrap();
    group.bench_function("file", |bencher| bencher.iter(|| Digest::of_file(file.path()).unwrap()));
    group.finish();
}

criterion_group!(benches, hashing);
criterion_main!(benches);
