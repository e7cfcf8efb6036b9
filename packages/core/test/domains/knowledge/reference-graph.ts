import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { KnowledgeGraph } from '../../../src/index.ts'

/** The operations that the reference memory server and Cairn have in common. */
export type GraphOperations = Pick<KnowledgeGraph, 'createEntities' | 'createRelations' | 'addObservations' | 'deleteEntities' | 'deleteObservations' | 'deleteRelations' | 'readGraph' | 'searchNodes' | 'openNodes'>

/** The KnowledgeGraphManager of @modelcontextprotocol/server-memory, each on a file of its own. Its package exports no types. */
export async function referenceGraphs(): Promise<{ make(): GraphOperations; dispose(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'cairn-reference-'))
  const file = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-memory/dist/index.js')
  const { KnowledgeGraphManager } = (await import(pathToFileURL(file).href)) as { KnowledgeGraphManager: new (path: string) => GraphOperations }
  let made = 0
  return {
    make: () => new KnowledgeGraphManager(join(root, `graph-${made++}.jsonl`)),
    dispose: () => rm(root, { recursive: true, force: true }),
  }
}
