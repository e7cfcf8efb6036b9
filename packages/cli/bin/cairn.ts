#!/usr/bin/env -S node --conditions=source
import { enableCompileCache } from 'node:module'

// Loaded after this, so that the second run need not compile what the first one did.
enableCompileCache()
const { main } = await import('../src/main.ts')
await main(process.argv.slice(2))
