"""What commands of people do, and why not; `service.answering` is the way in."""
