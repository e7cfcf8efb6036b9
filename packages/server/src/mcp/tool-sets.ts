import type { Cairn, CairnError } from '@cairn/core'
import { McpServer } from '@modelcontextprotocol/server'
import type { z } from 'zod'
import { VERSION } from '../http/version.ts'
import { type ToolDefinition, defineTool } from './define-tool.ts'
import { agentTools } from './tools/agents.ts'
import { conversationTools } from './tools/conversations.ts'
import { graphResource, graphTools } from './tools/graph.ts'
import { knowledgeTools } from './tools/knowledge.ts'
import { memoryBlockTools } from './tools/memory-blocks.ts'
import { memoryTools } from './tools/memory.ts'
import { stateTools } from './tools/state.ts'

/** `cairn`: Cairn's own tools. `graph`: those of the reference memory server, and no others. */
export const TOOL_SETS = ['cairn', 'graph'] as const
export type ToolSet = (typeof TOOL_SETS)[number]

export type AddTool = <Input extends z.ZodObject, Output extends z.ZodObject>(tool: ToolDefinition<Input, Output>) => void

const INSTRUCTIONS =
  'Durable memory. Search before you answer from memory (memory_search for what was said or happened, knowledge_search for facts), add what is worth keeping. Lists come a page at a time: give nextCursor back as cursor. An error names its code and what to do.'

/** A server for the services of one tenant, for one connection or one request. It is made anew each time, holds nothing, and costs about a millisecond. */
export function makeMcpServer(cairn: Cairn, toolSet: ToolSet, report: (error: CairnError) => void): McpServer {
  const server = new McpServer({ name: toolSet === 'graph' ? 'cairn-graph' : 'cairn', version: VERSION }, { capabilities: { tools: { listChanged: false } }, ...(toolSet === 'graph' ? {} : { instructions: INSTRUCTIONS }) })
  const add: AddTool = (tool) => defineTool(server, tool, report)
  if (toolSet === 'graph') {
    graphTools(add, cairn)
    graphResource(server, cairn)
    return server
  }
  memoryTools(add, cairn)
  memoryBlockTools(add, cairn)
  knowledgeTools(add, cairn)
  agentTools(add, cairn)
  stateTools(add, cairn)
  conversationTools(add, cairn)
  return server
}
