/// A growing byte string that values are appended to. What it writes, [`Reader`](crate::Reader) reads
/// back with the methods of the same names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

macro_rules! numbers {
    ($($one:ident $many:ident $type:ty),*) => {$(
        #[doc = concat!("Appends one `", stringify!($type), "`.")]
        pub fn $one(&mut self, value: $type) {
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }

        #[doc = concat!("Appends the count of `values` as `u64`, then each `", stringify!($type), "`.")]
        pub fn $many(&mut self, values: &[$type]) {
            self.u64(values.len() as u64);
            self.bytes.reserve(size_of_val(values));
            self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    )*};
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    numbers!(u16 u16s u16, u32 u32s u32, u64 u64s u64, i8 i8s i8, i32 i32s i32, f32 f32s f32, f64 f64s f64);

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends the count of `values` as `u64`, then the bytes.
    pub fn u8s(&mut self, values: &[u8]) {
        self.u64(values.len() as u64);
        self.raw(values);
    }

    /// Appends 0 or 1 as one byte.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Appends a short byte string: its length as `u32`, then the bytes.
    ///
    /// # Panics
    /// If it is 4 GiB or longer; callers bound what users give far below that.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("short byte string below 4 GiB"));
        self.raw(bytes);
    }

    /// Appends a text as [`bytes`](Self::bytes) of its UTF-8.
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends the bytes alone, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
