package dev.mobilevit.demo.core

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.CodingErrorAction
import org.json.JSONObject

/**
 * Readers for text from a file of unknown origin. org.json turns "NaN" into a number and 7 into a string, and its
 * parser calls itself for every bracket; these do not. What they refuse is an IllegalArgumentException.
 */
object Strict {
    private const val MOST_BRACKETS = 1000 // far below what the parser's recursion can take

    fun utf8(bytes: ByteArray): String = try {
        val decoder = Charsets.UTF_8.newDecoder()
        decoder.onMalformedInput(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(bytes)).toString()
    } catch (error: CharacterCodingException) {
        throw IllegalArgumentException(error)
    }

    fun json(text: String): JSONObject {
        require(text.count { it == '{' || it == '[' } <= MOST_BRACKETS)
        return JSONObject(text)
    }

    /** A line that can be shown: 1 to [longest] characters, none of them a control or half of a surrogate pair. */
    fun line(value: Any?, longest: Int): String {
        require(value is String && value.isNotBlank() && value.length <= longest)
        require(value.none(Char::isISOControl) && Charsets.UTF_8.newEncoder().canEncode(value))
        return value
    }

    fun finite(value: Any?): Double {
        require(value is Number && value.toDouble().isFinite())
        return value.toDouble()
    }
}
