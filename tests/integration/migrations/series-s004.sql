INSERT INTO increment (release, sequence, epoch, body) VALUES ('rel-1', 1, 3, '{"gap": [1, 100.0, "why", false], "alive": [0, true]}');
INSERT INTO judge VALUES ('rel-1', '{"history": [10000, 3, [9000, 1000], [0.1]], "noise": {"errors": [1.2, 0.05, 300.0]}, "started": [99.0, 0], "guards": {}}', 1, 3);
INSERT INTO history VALUES ('wine/production', 'wine-1', 3600.0, 1000.0, 2.0);
INSERT INTO stretch VALUES ('wine/production', 'wine-1', 300.0, '{"seconds": 300.0, "served": [3000.0, 15.0, 2813.0, 187.0], "bounds": [0.1], "failed": [7.5, 7.25, 3.75, 3.75, 1.875], "slow": [0, 0, 0, 0, 0]}');
INSERT INTO lease VALUES ('observer', 'a', 1, 2.5);
INSERT INTO pair VALUES ('rel-2', 'request-1', 'spam', NULL);
INSERT INTO assignment VALUES ('wine/production', 'request-1', 'wine-1', 1700000016.5);
INSERT INTO replay VALUES ('rel-2', 431);
