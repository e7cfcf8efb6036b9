export { ChatParticipants } from './chat-participants.ts'
export { ConversationsService } from './conversations-service.ts'
export { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, THREAD_KINDS, THREAD_STATUSES } from './types.ts'
export type {
  AppendInput,
  Author,
  AuthorInput,
  AuthorKind,
  ChatSession,
  ChatSessionKind,
  ChatStatus,
  CompleteThreadInput,
  CreateSessionInput,
  CreateThreadInput,
  JsonObject,
  ListMessagesOptions,
  ListParticipantsOptions,
  ListSessionsOptions,
  ListThreadsOptions,
  Message,
  MessageEdit,
  MessageInput,
  Participant,
  ParticipantInput,
  ParticipantKind,
  Thread,
  ThreadKind,
  ThreadStatus,
  UpdateSessionInput,
  UpdateThreadInput,
} from './types.ts'
export { MessageStorage } from './message-storage.ts'
