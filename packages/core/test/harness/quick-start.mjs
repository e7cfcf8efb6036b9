/**
 * Preloaded by every process that a test starts. PGlite's WebAssembly is used for seconds there: code that V8 makes at once
 * is enough, and making it again, optimized, would take more of the processor than it saves.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--liftoff-only')
