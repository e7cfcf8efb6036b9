// An agent that counts how often it was started: run it twice. A scripted model answers, so that no key is needed.
import { Agent, Runner, type AgentInputItem } from '@openai/agents-core'
import { assistantMessage, modelResponder, ScriptedModel } from '@openai/agents-core/testing'
import { open } from '@cairn/core'
import { CairnSession } from '@cairn/openai-agents'

const model = new ScriptedModel([
  modelResponder(({ request }) => {
    const said = (request.input as AgentInputItem[]).filter((item) => 'role' in item && item.role === 'user').length
    return [assistantMessage(`You have said ${said} thing${said === 1 ? '' : 's'} so far.`)]
  }),
])

await using cairn = await open()
const session = new CairnSession(cairn, { sessionId: 'user-42' })
const agent = new Agent({ name: 'counter', instructions: 'Count.', model })
const result = await new Runner({ tracingDisabled: true }).run(agent, 'Hello again', { session })
console.log(result.finalOutput)
console.log(`${(await session.getItems()).length} items are kept.`)
