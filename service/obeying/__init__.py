"""What commands of people do, and why not; `service.obeying.answering` is the way in."""
