/**
 * What every process of a test is started with. PGlite's WebAssembly runs for seconds in each: the code V8 makes at once is
 * enough, and making it again, optimized, takes as much of the processor as the whole start does.
 */
export const NODE_FLAGS: readonly string[] = ['--conditions=source', '--disable-warning=ExperimentalWarning', '--liftoff-only']
