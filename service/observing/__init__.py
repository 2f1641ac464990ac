"""From counters, labels and copied requests to what a release's judge is told of them."""
