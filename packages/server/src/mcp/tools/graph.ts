import type { Cairn } from '@cairn/core'
import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { toCairnError } from '../../http/problem.ts'
import { EFFECTS } from '../define-tool.ts'
import type { AddTool } from '../tool-sets.ts'

const Entity = z.object({
  name: z.string().describe('The name of the entity'),
  entityType: z.string().describe('The type of the entity'),
  observations: z.array(z.string()).describe('An array of observation contents associated with the entity'),
})
const Relation = z.object({
  from: z.string().describe('The name of the entity where the relation starts'),
  to: z.string().describe('The name of the entity where the relation ends'),
  relationType: z.string().describe('The type of the relation'),
})
const Graph = z.object({ entities: z.array(Entity), relations: z.array(Relation) })
const Done = z.object({ success: z.boolean(), message: z.string() })
/** As the reference words them: the message alone. */
const explain = (error: Error): string => error.message
const said = (structured: Record<string, unknown>, text: unknown) => ({ structured, text: JSON.stringify(text, null, 2) })
const done = (message: string) => ({ structured: { success: true, message }, text: message })

/**
 * The nine tools of the Model Context Protocol's reference memory server: its names, titles, descriptions, schemas, annotations and results, so that
 * its users change nothing but the command. What they write is knowledge like any other, in the space `default`.
 */
export function graphTools(add: AddTool): void {
  add({
    name: 'create_entities', title: 'Create Entities', description: 'Create multiple new entities in the knowledge graph', effect: EFFECTS.adds, explain,
    input: z.object({ entities: z.array(Entity) }), output: z.object({ entities: z.array(Entity) }),
    async run(given, { knowledge: { graph } }) {
      const entities = await graph.createEntities(given.entities)
      return said({ entities }, entities)
    },
  })
  add({
    name: 'create_relations', title: 'Create Relations', effect: EFFECTS.adds, explain,
    description: 'Create multiple new relations between entities in the knowledge graph. Relations should be in active voice',
    input: z.object({ relations: z.array(Relation) }), output: z.object({ relations: z.array(Relation) }),
    async run(given, { knowledge: { graph } }) {
      const relations = await graph.createRelations(given.relations)
      return said({ relations }, relations)
    },
  })
  add({
    name: 'add_observations', title: 'Add Observations', description: 'Add new observations to existing entities in the knowledge graph', effect: EFFECTS.adds, explain,
    input: z.object({
      observations: z.array(z.object({
        entityName: z.string().describe('The name of the entity to add the observations to'),
        contents: z.array(z.string()).describe('An array of observation contents to add'),
      })),
    }),
    output: z.object({ results: z.array(z.object({ entityName: z.string(), addedObservations: z.array(z.string()) })) }),
    async run(given, { knowledge: { graph } }) {
      const results = await graph.addObservations(given.observations)
      return said({ results }, results)
    },
  })
  add({
    name: 'delete_entities', title: 'Delete Entities', description: 'Delete multiple entities and their associated relations from the knowledge graph', effect: EFFECTS.deletes, explain,
    input: z.object({ entityNames: z.array(z.string()).describe('An array of entity names to delete') }), output: Done,
    async run(given, { knowledge: { graph } }) {
      await graph.deleteEntities(given.entityNames)
      return done('Entities deleted successfully')
    },
  })
  add({
    name: 'delete_observations', title: 'Delete Observations', description: 'Delete specific observations from entities in the knowledge graph', effect: EFFECTS.deletes, explain,
    input: z.object({
      deletions: z.array(z.object({
        entityName: z.string().describe('The name of the entity containing the observations'),
        observations: z.array(z.string()).describe('An array of observations to delete'),
      })),
    }),
    output: Done,
    async run(given, { knowledge: { graph } }) {
      await graph.deleteObservations(given.deletions)
      return done('Observations deleted successfully')
    },
  })
  add({
    name: 'delete_relations', title: 'Delete Relations', description: 'Delete multiple relations from the knowledge graph', effect: EFFECTS.deletes, explain,
    input: z.object({ relations: z.array(Relation).describe('An array of relations to delete') }), output: Done,
    async run(given, { knowledge: { graph } }) {
      await graph.deleteRelations(given.relations)
      return done('Relations deleted successfully')
    },
  })
  add({
    name: 'read_graph', title: 'Read Graph', description: 'Read the entire knowledge graph', effect: EFFECTS.reads, explain,
    input: z.object({}), output: Graph,
    async run(_given, { knowledge: { graph } }) {
      const all = await graph.readGraph()
      return said({ ...all }, all)
    },
  })
  add({
    name: 'search_nodes', title: 'Search Nodes', description: 'Search for nodes in the knowledge graph based on a query', effect: EFFECTS.reads, explain,
    input: z.object({ query: z.string().describe('The search query to match against entity names, types, and observation content') }), output: Graph,
    async run(given, { knowledge: { graph } }) {
      const found = await graph.searchNodes(given.query)
      return said({ ...found }, found)
    },
  })
  add({
    name: 'open_nodes', title: 'Open Nodes', description: 'Open specific nodes in the knowledge graph by their names', effect: EFFECTS.reads, explain,
    input: z.object({ names: z.array(z.string()).describe('An array of entity names to retrieve') }), output: Graph,
    async run(given, { knowledge: { graph } }) {
      const found = await graph.openNodes(given.names)
      return said({ ...found }, found)
    },
  })
}

/** The reference's resource: the whole graph as JSON. */
export function graphResource(server: McpServer, cairn: Cairn): void {
  const config = { title: 'Knowledge Graph', description: 'The full knowledge graph with all entities and relations', mimeType: 'application/json' }
  server.registerResource('knowledge-graph', 'memory://knowledge-graph', config, async (uri) => {
    try {
      return { contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify(await cairn.knowledge.graph.readGraph(), null, 2) }] }
    } catch (error) {
      throw toCairnError(error)
    }
  })
}
