"""Chats: messages are posted and updated by each one's own API, and two of them are listened to."""
