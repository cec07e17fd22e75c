//! Scratch.
fn main() {
    let file = std::env::args().nth(1).unwrap();
    let report = sinsang_identity::evaluate::identity(std::path::Path::new(&file), &Default::default()).unwrap();
    println!("{report}");
}
