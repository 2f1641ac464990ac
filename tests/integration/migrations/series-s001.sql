INSERT INTO increment (release, sequence, epoch, body) VALUES ('rel-2', 1, 2, '{"requests": [10, 1]}');
INSERT INTO judge VALUES ('rel-2', '{"schema": 1}', 1, 2);
INSERT INTO history VALUES ('wine/production', 'v-1f0c', 1700000000.5, 100, 1);
INSERT INTO lease VALUES ('observer', 'observer-1', 2, 1700000030);
