"""`make chaos`: commands are killed, and fed what is damaged; nothing may be lost, and nothing may crash."""
