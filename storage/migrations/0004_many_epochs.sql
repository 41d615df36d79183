-- A record may have thousands of epochs, and only the newest open one matters.
DROP INDEX document_epochs;
CREATE INDEX document_epochs ON document (record, author, kind, class, namespace, epoch)
    WHERE epoch > 0;
CREATE INDEX document_open_epochs ON document (record, author, kind, class, namespace, epoch)
    WHERE epoch > 0 AND carried IS NOT NULL;
