#!/usr/bin/env -S node --conditions=source
import { main } from '../src/main.ts'

await main(process.argv.slice(2))
