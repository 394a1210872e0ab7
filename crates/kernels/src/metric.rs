//! What "near" means.

/// What a distance is. Smaller is nearer in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `1 - cos(a, b)`, in `0..=2`.
    Cosine,
    /// `1 - a·b`.
    Dot,
    /// Squared Euclidean distance, `Σ (a - b)²`.
    L2,
}

impl Metric {
    /// The name in options and files: `"cosine"`, `"dot"`, `"l2"`.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::L2 => "l2",
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
