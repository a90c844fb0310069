//! Compiles the kernel half and generates its typed loader, if the feature asks for it.

#[cfg(feature = "kernel")]
fn main() {
    use std::env;
    use std::path::PathBuf;

    const SOURCES: &str = "src/bpf";

    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // v3: atomics that return the old value, which every claim is made of.
    let arguments = ["-mcpu=v3", "-Wall", "-Werror", "-Wno-unused-function", "-I", SOURCES];
    let built = libbpf_cargo::SkeletonBuilder::new()
        .source(PathBuf::from(SOURCES).join("revenant.bpf.c"))
        .clang(clang::find())
        .clang_args(arguments)
        // Kept, for the tests of its types.
        .obj(out.join("revenant.bpf.o"))
        .build_and_generate(out.join("revenant.skel.rs"));
    if let Err(error) = built {
        panic!("clang could not compile the kernel half: {error:?}");
    }
}

#[cfg(not(feature = "kernel"))]
fn main() {}

/// The compiler.
#[cfg(feature = "kernel")]
mod clang {
    use std::path::PathBuf;
    use std::process::Command;

    /// The first that marks pointers in maps for the verifier (`btf_type_tag` in BTF).
    const OLDEST: u32 = 16;
    /// Tried by name, newest first, where plain `clang` is too old.
    const NEWEST: u32 = 24;

    /// `$CLANG`, else `clang` if it is new enough, else the newest `clang-N` there is.
    pub(crate) fn find() -> PathBuf {
        if let Some(clang) = std::env::var_os("CLANG") {
            return clang.into();
        }
        let numbered = (OLDEST..=NEWEST).rev().map(|version| format!("clang-{version}"));
        let found = std::iter::once("clang".to_owned())
            .chain(numbered)
            .find(|name| version(name).is_some_and(|version| version >= OLDEST));
        let Some(found) = found else {
            panic!(
                "feature `kernel` needs clang {OLDEST} or newer (scripts/install-needs kernel, or $CLANG)"
            );
        };
        found.into()
    }

    fn version(name: &str) -> Option<u32> {
        let output = Command::new(name).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = text.split_once("clang version ")?;
        rest.split('.').next()?.parse().ok()
    }
}
