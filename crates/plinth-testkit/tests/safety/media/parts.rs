//! An upload in parts by the S3 protocol, which goes on where it was when the server is there again.

use std::net::SocketAddr;

use super::client::{by_s3, header};
use super::uploads::{Content, Killed};

/// A part that is not the last is not smaller.
const PART: usize = 5 << 20;

/// An upload in parts.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) content: Content,
    /// What the server calls it.
    id: String,
    /// The tags of the parts that were acknowledged.
    tags: Vec<String>,
}

/// Why an upload in parts did not come to its end: the server was killed.
pub(super) enum Cut {
    /// In the middle of a part.
    InPart,
    /// While the parts became the object: it counts or it does not.
    AtTheEnd,
}

impl Parts {
    /// Without an answer nobody knows what it is called: it expires.
    pub(super) fn begin(to: SocketAddr, name: String, content: Content) -> Result<Parts, Killed> {
        let begin = by_s3("POST", &name, &[("uploads", "")], &[]);
        let begun = begin.try_send(to).ok_or(Killed)?;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let text = begun.text();
        let id = text
            .split_once("<UploadId>")
            .and_then(|(_, rest)| rest.split_once("</UploadId>"));
        let (id, _) = id.unwrap_or_else(|| panic!("no id in {text}"));
        Ok(Parts {
            name,
            content,
            id: id.to_owned(),
            tags: Vec::new(),
        })
    }

    /// Sends what was not acknowledged yet, and makes it the object.
    pub(super) fn send(&mut self, to: SocketAddr) -> Result<(), Cut> {
        let bytes = self.content.bytes();
        for part in bytes.chunks(PART).skip(self.tags.len()) {
            self.send_part(to, part).map_err(|Killed| Cut::InPart)?;
        }
        let numbered = (1..).zip(&self.tags);
        let parts = numbered.fold(String::new(), |parts, (number, tag)| {
            parts + &format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        });
        let whole = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let upload = [("uploadId", self.id.as_str())];
        let complete = by_s3("POST", &self.name, &upload, &[])
            .body(whole)
            .header("content-type", "application/xml");
        let completed = complete.try_send(to).ok_or(Cut::AtTheEnd)?;
        assert_eq!(completed.status, 200, "{}", completed.text());
        Ok(())
    }

    /// Sends the next part.
    pub(super) fn send_part(&mut self, to: SocketAddr, bytes: &[u8]) -> Result<(), Killed> {
        let number = (self.tags.len() + 1).to_string();
        let query = [
            ("partNumber", number.as_str()),
            ("uploadId", self.id.as_str()),
        ];
        let put = by_s3("PUT", &self.name, &query, &[]).body(bytes);
        let answer = put.try_send(to).ok_or(Killed)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.tags.push(header(&answer, "etag"));
        Ok(())
    }
}
