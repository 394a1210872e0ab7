//! Memory that was freed, back to the system.

/// Has the allocator give back the pages that nothing uses any more. To be called after work that held much for a while: the
/// C library of GNU keeps what was freed in blocks of up to 32 MiB (an index of 60,000 rows of 784 dimensions took 151 MB beside
/// the rows so, 222 before). Elsewhere it does nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc declares it so; any thread may call it at any time, and it touches no block that is in use.
        unsafe { malloc_trim(0) };
    }
}
