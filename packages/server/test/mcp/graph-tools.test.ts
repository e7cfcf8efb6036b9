import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/client'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningServer, serve } from '../../src/index.ts'
import { type TestCairn, openTestCairn } from '../harness.ts'
import { callTool, connectHttp, connectStdio } from './clients.ts'

/** Sequences of calls; more with MCP_RUNS. */
const RUNS = Number(process.env['MCP_RUNS'] ?? 6)

let opened: TestCairn
let server: RunningServer
let folder: string
let reference: Client
const open: Client[] = []
let tenants = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-mcp-'))
  const file = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-memory/dist/index.js')
  opened = await openTestCairn()
  server = await serve(opened.cairn, { port: 0 })
  reference = (await connectStdio('legacy', process.execPath, [file], { cwd: folder, env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } })).client
})
afterAll(async () => {
  await Promise.all([reference, ...open].map((client) => client?.close()))
  await server?.close()
  await opened?.dispose()
  await rm(folder, { recursive: true, force: true })
})

/** A client of a graph of its own. */
async function graph(era: 'legacy' | 'modern', tenant = `graph-${tenants++}`): Promise<Client> {
  const client = await connectHttp(`${server.url}/mcp/graph`, era, { 'x-cairn-tenant': tenant })
  open.push(client)
  return client
}

const name = fc.constantFrom('Ada', 'ada', 'Bob', 'İstanbul', 'a b', `q"'\\%_`)
const said = fc.constantFrom('likes tea', 'LIKES Rain', '', '50 % off_', 'ẞ and ß', '{"json":1}', '日本')
const relation = fc.record({ from: name, to: name, relationType: fc.constantFrom('knows', 'lives in', 'KNOWS') })
const few = <T>(of: fc.Arbitrary<T>) => fc.uniqueArray(of, { maxLength: 3, selector: (each) => JSON.stringify(each) })
const call = <T>(weight: number, tool: string, given: fc.Arbitrary<T>) => ({ weight, arbitrary: given.map((each) => ({ tool, given: each as Record<string, unknown> })) })
const entity = fc.record({ name, entityType: fc.constantFrom('person', 'City', 'ΣΑΣ'), observations: few(said) })
const operation = fc.oneof(
  call(3, 'create_entities', fc.record({ entities: fc.uniqueArray(entity, { maxLength: 3, selector: (each) => each.name }) })),
  call(3, 'create_relations', fc.record({ relations: few(relation) })),
  call(3, 'add_observations', fc.record({ observations: fc.array(fc.record({ entityName: name, contents: few(said) }), { maxLength: 2 }) })),
  call(1, 'delete_entities', fc.record({ entityNames: few(name) })),
  call(1, 'delete_observations', fc.record({ deletions: fc.array(fc.record({ entityName: name, observations: few(said) }), { maxLength: 2 }) })),
  call(1, 'delete_relations', fc.record({ relations: few(relation) })),
  call(2, 'search_nodes', fc.record({ query: fc.constantFrom('ADA', 'İ', 'tea', '', '%', '_', '\\', 'ß', 'σας', 'nobody') })),
  call(1, 'open_nodes', fc.record({ names: few(name) })),
  call(1, 'read_graph', fc.constant({})),
)

async function outcome(client: Client, tool: string, given: Record<string, unknown>): Promise<unknown> {
  const { isError, structured, text } = await callTool(client, tool, given)
  return { isError, structured, text }
}

test('lists the same tools as the reference: names, titles, descriptions, schemas and annotations', async () => {
  // The dialect is the one thing that the two SDKs write in another way.
  const told = async (client: Client) => (await client.listTools()).tools.map(({ name: tool, title, description, annotations, inputSchema, outputSchema }) => ({
    tool, title, description, annotations, inputSchema: { ...inputSchema, $schema: '' }, outputSchema: { ...outputSchema, $schema: '' },
  }))
  const theirs = await told(reference)
  expect(theirs).toHaveLength(9)
  for (const era of ['legacy', 'modern'] as const) expect(await told(await graph(era))).toEqual(theirs)
})

test('answers every sequence of calls as the reference does, and its resource holds the same', async () => {
  const uri = 'memory://knowledge-graph'
  expect((await (await graph('modern')).listResources()).resources).toMatchObject((await reference.listResources()).resources)
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 4, maxLength: 12 }), fc.constantFrom('legacy', 'modern'), async (operations, era) => {
      const ours = await graph(era)
      const all = (await callTool(reference, 'read_graph')).structured as { entities: { name: string }[]; relations: object[] }
      await callTool(reference, 'delete_entities', { entityNames: all.entities.map((each) => each.name) })
      await callTool(reference, 'delete_relations', { relations: all.relations })
      for (const { tool, given } of operations) {
        expect(await outcome(ours, tool, given), tool).toEqual(await outcome(reference, tool, given))
      }
      expect((await ours.readResource({ uri })).contents).toEqual((await reference.readResource({ uri })).contents)
    }),
    { numRuns: RUNS },
  )
}, 120_000)

test('refuses what the reference refuses, as it does', async () => {
  const ours = await graph('legacy')
  for (const [tool, given] of [
    ['create_entities', {}], ['create_entities', { entities: 'Ada' }], ['create_entities', { entities: [{ name: 'Ada' }] }], ['create_relations', { relations: [{ from: 'a', to: 7, relationType: 'r' }] }],
    ['add_observations', { observations: [{ entityName: 'Nobody', contents: ['x'] }] }], ['search_nodes', {}], ['open_nodes', { names: [1] }], ['delete_entities', { entityNames: null }],
  ] as const) {
    const [our, their] = [await callTool(ours, tool, given), await callTool(reference, tool, given)]
    expect([our.isError, their.isError], tool).toEqual([true, true])
    if (tool === 'add_observations') expect(our.text).toBe(their.text)
  }
  expect((await callTool(ours, 'read_graph')).structured).toEqual({ entities: [], relations: [] })
})

test('two clients that write at once lose nothing, and another tenant sees none of it', async () => {
  const tenant = 'shared-graph'
  const [one, two, other] = await Promise.all([graph('legacy', tenant), graph('modern', tenant), graph('modern')])
  await callTool(one, 'create_entities', { entities: [{ name: 'hub', entityType: 'place', observations: [] }] })
  const results = await Promise.all([one, two].flatMap((client, which) => Array.from({ length: 5 }, (_, at) => [
    callTool(client, 'create_entities', { entities: [{ name: `e${which}-${at}`, entityType: 'thing', observations: ['new'] }] }),
    callTool(client, 'add_observations', { observations: [{ entityName: 'hub', contents: [`seen by ${which}-${at}`, 'seen by all'] }] }),
    callTool(client, 'create_relations', { relations: [{ from: 'hub', to: `e${which}-${at}`, relationType: 'near' }] }),
  ]).flat()))
  expect(results.filter(({ isError }) => isError)).toEqual([])
  const { entities, relations } = (await callTool(two, 'read_graph')).structured as { entities: { name: string; observations: string[] }[]; relations: unknown[] }
  expect(entities).toHaveLength(11)
  expect(entities.find((each) => each.name === 'hub')?.observations).toHaveLength(11)
  expect(relations).toHaveLength(10)
  for (const [tool, given] of [['read_graph', {}], ['search_nodes', { query: 'hub' }], ['open_nodes', { names: ['hub'] }]] as const) {
    expect((await callTool(other, tool, given)).structured, tool).toEqual({ entities: [], relations: [] })
  }
  await callTool(other, 'delete_entities', { entityNames: ['hub'] })
  expect((await callTool(one, 'open_nodes', { names: ['hub'] })).structured['relations']).toHaveLength(10)
})
